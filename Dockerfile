# The exporter, CA certificates, licenses, and nothing else. To stamp the version:
#   docker build --build-arg VERSION="$(cat VERSION)" --build-arg REVISION="$(git rev-parse HEAD)" \
#     --build-arg BRANCH=main --build-arg BUILD_DATE="$(git log -1 --format=%cI)" .
#
# For other platforms, Go cross-compiles on the builder's platform:
#   docker buildx build --platform=linux/amd64,linux/arm64 .
FROM --platform=$BUILDPLATFORM golang:1.26.8-bookworm@sha256:a688600ca24f8a4d3ca77f95b0dd40704a9fc787c826660eb7ba0b641b8b175d AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The Makefile takes these instead of asking git: .git is not part of the build context. Without VERSION, it reads the file
# of that name.
ARG VERSION
ARG REVISION=unknown
ARG BRANCH=unknown
ARG BUILD_DATE=unknown
# BuildKit sets these to the target platform. If they are empty, Go builds for the platform that it runs on.
ARG TARGETOS
ARG TARGETARCH
RUN GOOS="$TARGETOS" GOARCH="$TARGETARCH" make build licenses

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="session_exporter" \
      org.opencontainers.image.description="Prometheus exporter that monitors sessions, tokens and passwords of management APIs" \
      org.opencontainers.image.url="https://github.com/session-exporter/session_exporter" \
      org.opencontainers.image.documentation="https://github.com/session-exporter/session_exporter/blob/main/docs/README.md" \
      org.opencontainers.image.source="https://github.com/session-exporter/session_exporter" \
      org.opencontainers.image.vendor="The session_exporter authors" \
      org.opencontainers.image.authors="The session_exporter authors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="scratch" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$BUILD_DATE"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/LICENSE /src/build/licenses.txt /licenses/
COPY --from=build /src/session_exporter /session_exporter
USER 65532:65532
EXPOSE 10987
# The image has no shell, curl or wget, so `session_exporter healthcheck` checks it, with the flags of process 1 from /proc.
HEALTHCHECK --timeout=5s CMD ["/session_exporter", "healthcheck"]
ENTRYPOINT ["/session_exporter"]
CMD ["--config.file=/etc/session_exporter/session_exporter.yml"]
