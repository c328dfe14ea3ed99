# The exporter, its CA certificates, and nothing else. With the version stamped:
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" \
#     --build-arg BRANCH=main --build-arg BUILD_DATE="$(git log -1 --format=%cI)" .
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# The Makefile takes these instead of asking git, which is not here.
ARG VERSION=0.1.0-dev
ARG REVISION=unknown
ARG BRANCH=unknown
ARG BUILD_DATE=unknown
# Set by builders for several platforms; empty, Go builds for its own.
ARG TARGETOS
ARG TARGETARCH
RUN GOOS="$TARGETOS" GOARCH="$TARGETARCH" make build
# `demo` and `simulate` keep their files in /tmp, which a scratch image does not have.
RUN install -d -m 1777 /rootfs/tmp

FROM scratch
ARG VERSION=0.1.0-dev
ARG REVISION=unknown
ARG BUILD_DATE=unknown
LABEL org.opencontainers.image.title="session_exporter" \
      org.opencontainers.image.description="Prometheus exporter that watches sessions, tokens and passwords against management APIs" \
      org.opencontainers.image.source="https://github.com/session-exporter/session_exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$BUILD_DATE"
COPY --from=build /rootfs /
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/session_exporter /session_exporter
USER 65532:65532
EXPOSE 10987
# A command of its own: there is no shell, curl or wget here.
HEALTHCHECK --timeout=5s CMD ["/session_exporter", "healthcheck"]
ENTRYPOINT ["/session_exporter"]
CMD ["--config.file=/etc/session_exporter/session_exporter.yml"]
