// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	contentlocal "github.com/containerd/containerd/v2/plugins/content/local"
	control "github.com/moby/buildkit/api/services/control"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestCallOptions(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	cfg, err := parseCallArgs([]string{"--addr=unix:///run/w/s", "--opt", "requestid=frontend.lint",
		"--opt=frontend.caps=a", "--no-cache", "--allow", "network.host"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	opt, err := cfg.solveOpt(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"requestid": "frontend.lint", "no-cache": "", "frontend.caps": "a," + subrequestCap,
	} {
		if got, ok := opt.FrontendAttrs[key]; !ok || got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	if !opt.Internal || len(opt.AllowedEntitlements) != 1 {
		t.Errorf("got %+v", opt)
	}
	for _, args := range [][]string{nil, {"--addr", "unix:///s", "x"}, {"--addr", "tcp://h"}} {
		var stderr bytes.Buffer
		if _, err := parseCallArgs(args, &stderr); err == nil || stderr.Len() == 0 {
			t.Errorf("%q: accepted, or refused without a word", args)
		}
	}
}

func TestPredicate(t *testing.T) {
	const old, newer = "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1"
	store, err := contentlocal.NewStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, kind, text string
		full             bool
		config           bool // a buildConfig is left
	}{
		{"v0.2", old, `{"builder":{"id":"b"},"buildConfig":{}}`, true, true},
		{"v0.2, least", old, `{"builder":{"id":"b"},"buildConfig":{}}`, false, false},
		{"v1", newer, `{"runDetails":{"builder":{"id":"b"}},
			"buildDefinition":{"internalParameters":{"buildConfig":{}}}}`, true, true},
		{"v1, least", newer, `{"runDetails":{"builder":{"id":"b"}}}`, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			desc := ocispecs.Descriptor{Digest: digest.FromString(tc.text), Size: int64(len(tc.text))}
			if err := content.WriteBlob(context.Background(), store, tc.name,
				strings.NewReader(tc.text), desc); err != nil {
				t.Fatal(err)
			}
			info := &control.BuildResultInfo{Attestations: []*control.Descriptor{
				{Annotations: map[string]string{"in-toto.io/predicate-type": "https://spdx.dev/x"}},
				{Digest: desc.Digest.String(), Size: desc.Size,
					Annotations: map[string]string{"in-toto.io/predicate-type": tc.kind}},
			}}
			p, err := predicate(context.Background(), store, info, tc.full)
			if err != nil || p == nil {
				t.Fatal(p, err)
			}
			if p.Builder.ID != "b" || (p.BuildConfig != nil) != tc.config {
				t.Fatalf("got %+v", p)
			}
		})
	}
	if p, err := predicate(context.Background(), store, nil, true); p != nil || err != nil {
		t.Fatal(p, err)
	}
}
