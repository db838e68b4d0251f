// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/cmd/buildctl/build"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth/authprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/progress/progresswriter"
	"golang.org/x/sync/errgroup"
)

// subrequestCap makes a frontend that knows no subrequests say so, instead of building.
const subrequestCap = "moby.buildkit.frontend.subrequests+forward"

// listValue takes a string, any number of times.
type listValue struct{ list *[]string }

func (v listValue) String() string { return "" }

func (v listValue) Set(s string) error {
	*v.list = append(*v.list, s)
	return nil
}

// callConfig has the flags of `buildctl build` that matter to a subrequest, in its syntax.
type callConfig struct {
	socket  string
	opts    []string
	secrets []string
	ssh     []string
	layouts []string
	allow   []string
	noCache bool
}

func parseCallArgs(args []string, stderr io.Writer) (*callConfig, error) {
	cfg := &callConfig{}
	flags := flag.NewFlagSet("weft-session call", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: weft-session call --addr unix:///PATH --opt requestid=METHOD "+
			"[--opt KEY=VALUE ...]")
		flags.PrintDefaults()
	}
	flags.Var(addressValue{&cfg.socket}, "addr", "the worker's `address`, unix:///PATH")
	flags.Var(listValue{&cfg.opts}, "opt", "an `option` of the frontend, KEY=VALUE; repeatable")
	flags.Var(listValue{&cfg.secrets}, "secret", "as buildctl's; repeatable")
	flags.Var(listValue{&cfg.ssh}, "ssh", "as buildctl's; repeatable")
	flags.Var(listValue{&cfg.layouts}, "oci-layout", "as buildctl's; repeatable")
	flags.Var(listValue{&cfg.allow}, "allow", "as buildctl's; repeatable")
	flags.BoolVar(&cfg.noCache, "no-cache", false, "as buildctl's")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if cfg.socket == "" || flags.NArg() > 0 {
		fmt.Fprintln(stderr, "weft-session: call wants --addr, and no arguments")
		flags.Usage()
		return nil, errors.New("usage")
	}
	return cfg, nil
}

// attachables are what the frontend may ask for while it fetches a context or a base image.
func (cfg *callConfig) attachables(stderr io.Writer) ([]session.Attachable, error) {
	list := []session.Attachable{authprovider.NewDockerAuthProvider(
		authprovider.DockerAuthProviderConfig{
			AuthConfigProvider: authprovider.LoadAuthConfig(dockerconfig.LoadDefaultConfigFile(stderr)),
		})}
	if len(cfg.ssh) > 0 {
		configs, err := build.ParseSSH(cfg.ssh)
		if err != nil {
			return nil, err
		}
		provider, err := sshprovider.NewSSHAgentProvider(configs)
		if err != nil {
			return nil, err
		}
		list = append(list, provider)
	}
	if len(cfg.secrets) > 0 {
		provider, err := build.ParseSecret(cfg.secrets)
		if err != nil {
			return nil, err
		}
		list = append(list, provider)
	}
	return list, nil
}

func (cfg *callConfig) solveOpt(stderr io.Writer) (client.SolveOpt, error) {
	var (
		opt client.SolveOpt
		err error
	)
	if opt.FrontendAttrs, err = build.ParseOpt(cfg.opts); err != nil {
		return opt, err
	}
	if cfg.noCache {
		opt.FrontendAttrs["no-cache"] = ""
	}
	if caps := opt.FrontendAttrs["frontend.caps"]; caps != "" {
		opt.FrontendAttrs["frontend.caps"] = caps + "," + subrequestCap
	} else {
		opt.FrontendAttrs["frontend.caps"] = subrequestCap
	}
	if opt.OCIStores, err = build.ParseOCILayout(cfg.layouts); err != nil {
		return opt, err
	}
	opt.AllowedEntitlements = cfg.allow
	opt.Internal = true // no build, so no record of one
	opt.Session, err = cfg.attachables(stderr)
	return opt, err
}

// callFrontend asks the Dockerfile frontend, or the one that the Dockerfile names, for what
// opt requestid says. It returns what the frontend answered, by key ("result.json").
func callFrontend(ctx context.Context, cfg *callConfig, stderr *os.File) (map[string]string, error) {
	opt, err := cfg.solveOpt(stderr)
	if err != nil {
		return nil, err
	}
	c, err := client.New(ctx, "unix://"+cfg.socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	// the display has its own end: the status channel's
	progress, err := progresswriter.NewPrinter(context.WithoutCancel(ctx), stderr, "rawjson")
	if err != nil {
		return nil, err
	}

	answer := map[string]string{}
	ask := func(ctx context.Context, g gateway.Client) (*gateway.Result, error) {
		res, err := g.Solve(ctx, gateway.SolveRequest{
			Frontend: "dockerfile.v0", FrontendOpt: opt.FrontendAttrs,
		})
		if err != nil {
			return nil, err
		}
		for key, value := range res.Metadata {
			answer[key] = string(value)
		}
		return res, nil
	}
	var group errgroup.Group
	group.Go(func() error {
		_, err := c.Build(ctx, opt, "weft", ask, progresswriter.ResetTime(progress).Status())
		return err
	})
	group.Go(func() error {
		<-progress.Done()
		return progress.Err()
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return answer, nil
}

// printError is how buildctl ends: with the lines of the Dockerfile, and the error.
func printError(err error, stderr io.Writer) {
	for _, source := range errdefs.Sources(err) {
		_ = source.Print(stderr)
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
}

// runCall is `weft-session call`: progress on stderr, as `buildctl --progress=rawjson` has it, and
// on stdout one JSON object with the answer.
func runCall(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	cfg, err := parseCallArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitUsage
	}
	answer, err := callFrontend(ctx, cfg, stderr)
	if err == nil {
		err = json.NewEncoder(stdout).Encode(answer)
	}
	if err != nil {
		printError(err, stderr)
		return exitFailed
	}
	return exitDone
}
