// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/content/proxy"
	slsa1 "github.com/in-toto/in-toto-golang/in_toto/slsa_provenance/v1"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	provenance "github.com/moby/buildkit/solver/llbsolver/provenance/types"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const predicatePrefix = "https://slsa.dev/provenance/"

// predicate reads the provenance in a record of a build, in the form of SLSA 0.2, which buildx
// writes to --metadata-file. It returns nil where there is none.
func predicate(ctx context.Context, store content.Store, info *control.BuildResultInfo,
	full bool) (*provenance.ProvenancePredicateSLSA02, error) {
	for _, a := range info.GetAttestations() {
		kind := a.Annotations["in-toto.io/predicate-type"]
		if !strings.HasPrefix(kind, predicatePrefix) {
			continue
		}
		text, err := content.ReadBlob(ctx, store, ocispecs.Descriptor{
			MediaType: a.MediaType, Digest: digest.Digest(a.Digest), Size: a.Size,
		})
		if err != nil {
			return nil, err
		}
		p := &provenance.ProvenancePredicateSLSA02{}
		if kind == slsa1.PredicateSLSAProvenance {
			newer := &provenance.ProvenancePredicateSLSA1{}
			if err := json.Unmarshal(text, newer); err != nil {
				return nil, err
			}
			p = newer.ConvertToSLSA02()
		} else if err := json.Unmarshal(text, p); err != nil {
			return nil, err
		}
		redact(p)
		if !full {
			p.BuildConfig = nil
			p.Metadata = nil
		}
		return p, nil
	}
	return nil, nil
}

// isProxyArg says whether an option of the frontend is a build argument that BuildKit takes for a
// proxy.
func isProxyArg(key string) bool {
	name, ok := strings.CutPrefix(key, "build-arg:")
	if !ok {
		return false
	}
	switch strings.ToLower(name) {
	case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy":
		return true
	}
	return false
}

// redactURL hides the user and the password of a proxy, whose scheme may be left out.
func redactURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	host, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(host, '@')
	if at < 0 {
		return s
	}
	redacted := scheme + "xxxxx" + host[at:]
	if len(host) < len(rest) {
		redacted += "/" + path
	}
	return redacted
}

func redactParameters(p *provenance.Parameters) {
	if p == nil {
		return
	}
	for key, value := range p.Args {
		if isProxyArg(key) {
			p.Args[key] = redactURL(value)
		}
	}
	for _, in := range p.Inputs {
		if in != nil {
			redactParameters(in.Request)
		}
	}
	if p.Root != nil {
		redactParameters(p.Root.Request)
	}
}

// redact hides the passwords of proxies: what the file of --metadata-file holds is often shown.
func redact(p *provenance.ProvenancePredicateSLSA02) {
	redactParameters(&p.Invocation.Parameters)
	if p.BuildConfig == nil {
		return
	}
	for _, step := range p.BuildConfig.Definition {
		if env := step.Op.GetExec().GetMeta().GetProxyEnv(); env != nil {
			for _, value := range []*string{&env.HttpProxy, &env.HttpsProxy, &env.FtpProxy,
				&env.AllProxy} {
				*value = redactURL(*value)
			}
		}
	}
}

// recordedProvenance returns what the worker's build record has for the build with a reference, by
// platform; by "" for a build that made no index.
func recordedProvenance(ctx context.Context, socket, ref string, full bool,
) (map[string]*provenance.ProvenancePredicateSLSA02, error) {
	c, err := client.New(ctx, "unix://"+socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	records, err := c.ControlClient().ListenBuildHistory(ctx,
		&control.BuildHistoryRequest{Ref: ref, EarlyExit: true})
	if err != nil {
		return nil, err
	}
	store := proxy.NewContentStore(c.ContentClient())
	found := map[string]*provenance.ProvenancePredicateSLSA02{}
	for {
		event, err := records.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if event.Record == nil {
			continue
		}
		results := event.Record.Results
		if len(results) == 0 {
			results = map[string]*control.BuildResultInfo{"": event.Record.Result}
		}
		for platform, info := range results {
			p, err := predicate(ctx, store, info, full)
			if err != nil {
				return nil, err
			}
			if p != nil {
				found[platform] = p
			}
		}
	}
}

// runProvenance is `weft-session provenance`: it prints one JSON object.
func runProvenance(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var socket, ref string
	flags := flag.NewFlagSet("weft-session provenance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Var(addressValue{&socket}, "addr", "the worker's `address`, unix:///PATH")
	flags.StringVar(&ref, "ref", "", "the build's `reference`, which buildctl writes to --ref-file")
	full := flags.Bool("full", false, "with the steps of the build, and its metadata")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return exitDone
		}
		return exitUsage
	}
	if socket == "" || ref == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "usage: weft-session provenance --addr unix:///PATH --ref REF [--full]")
		return exitUsage
	}
	found, err := recordedProvenance(ctx, socket, ref, *full)
	if err == nil {
		err = json.NewEncoder(stdout).Encode(found)
	}
	if err != nil {
		fmt.Fprintf(stderr, "error: %v\n", err)
		return exitFailed
	}
	return exitDone
}
