// Package container tests what is installed where it runs: the image in a container
// without privileges, and the Debian package on a system with systemd. Needs root, buildah,
// podman, runc and debootstrap, and the package of `make release-snapshot`.
package container
