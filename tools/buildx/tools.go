// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package buildx pins the buildx that tests/long/buildx_compare.sh compares weft with.
package buildx

import _ "github.com/docker/buildx/cmd/buildx"
