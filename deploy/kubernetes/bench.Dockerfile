# SPDX-License-Identifier: Apache-2.0
#
# The image of bench-job.yaml: weft, as `make install' has put it into a directory, on the Debian that
# it was built on, with that Debian's QEMU. docs/node-pools.md shows how to build it.
#
# The context "weft" holds such a directory for each architecture that nodes have: amd64/, arm64/.
ARG BASE=debian:bookworm-slim
FROM ${BASE}
RUN apt-get update && \
    apt-get install -y --no-install-recommends libuv1 libjansson4 libarchive13 libssl3 libelf1 libfyaml0 libcurl4 \
        qemu-user-static && \
    rm -rf /var/lib/apt/lists/*
ARG TARGETARCH
COPY --from=weft /${TARGETARCH}/ /
# As the manifest says: a name is nothing to the kubelet's runAsNonRoot.
USER 65532:65532
ENTRYPOINT ["weft"]
