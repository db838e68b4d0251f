// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package buildkit pins the BuildKit programs that weft runs.
package buildkit

import (
	_ "github.com/moby/buildkit/cmd/buildctl"
	_ "github.com/moby/buildkit/cmd/buildkitd"
)
