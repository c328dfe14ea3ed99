// Package container tests installations: the image in a container without privileges, and
// the Debian package on a system with systemd. It needs root, buildah, podman, runc and
// debootstrap, and the package that `make release-snapshot` builds.
package container
