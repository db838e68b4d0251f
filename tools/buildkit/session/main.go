// SPDX-License-Identifier: Apache-2.0

// Command weft-session serves the directories of one build to one BuildKit worker.
//
// Each solve of a build would send the build context on its own. Instead, weft starts one
// weft-session per worker, and tells every solve to read its directories from that session.
// The shared key lets BuildKit find what an earlier session with the same key has sent, so that
// only changed files travel.
//
// With --relay it also stands between buildctl and the worker, and puts secrets into the solves; the
// first line of standard input is then a JSON object with them.
//
// Standard output carries lines of JSON: the session's id, as soon as it is known and before the
// worker is dialled; notes for the user on what is sent otherwise than it lies there; and at the end
// what was sent, or the error that ended the session. The session lasts until standard input ends, so it cannot outlive the process that started it.
//
// Two commands ask a worker for what buildctl does not print: "call" for the whole answer of a
// frontend's subrequest, "provenance" for the provenance in the record of a build.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/moby/buildkit/session"
	// BuildKit's own encoding, as in buildkitd and buildctl: gRPC's refuses file names that are not UTF-8.
	_ "github.com/moby/buildkit/util/grpcutil/encoding/proto"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// local is a directory and the name under which a solve asks for it.
type local struct {
	name string
	dir  string
}

type config struct {
	socket    string // absolute path of the worker's socket
	sharedKey string
	relay     string // absolute path of a socket to listen on, or ""
	locals    []local
}

// addressValue takes unix:///PATH and keeps the path.
type addressValue struct{ socket *string }

func (v addressValue) String() string { return "" }

func (v addressValue) Set(s string) error {
	path, ok := strings.CutPrefix(s, "unix://")
	if !ok || !filepath.IsAbs(path) {
		return errors.New("not of the form unix:///PATH")
	}
	*v.socket = path
	return nil
}

// localsValue takes NAME=DIR, any number of times.
type localsValue struct{ locals *[]local }

func (v localsValue) String() string { return "" }

func (v localsValue) Set(s string) error {
	name, dir, ok := strings.Cut(s, "=")
	if !ok || name == "" || dir == "" {
		return errors.New("not of the form NAME=DIR")
	}
	for _, l := range *v.locals {
		if l.name == name {
			return fmt.Errorf("the name %q is given twice", name)
		}
	}
	*v.locals = append(*v.locals, local{name: name, dir: dir})
	return nil
}

// parseArgs reads the command line. What is wrong with it has been written to stderr when it
// returns an error; flag.ErrHelp means that help was asked for.
func parseArgs(args []string, stderr io.Writer) (*config, error) {
	cfg := &config{}
	flags := flag.NewFlagSet("weft-session", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: weft-session --addr unix:///PATH --shared-key KEY "+
			"[--relay unix:///PATH] --local NAME=DIR [--local NAME=DIR ...]")
		flags.PrintDefaults()
	}
	flags.Var(addressValue{&cfg.socket}, "addr", "the worker's `address`, unix:///PATH")
	flags.StringVar(&cfg.sharedKey, "shared-key", "", "the project's `key`: later sessions with "+
		"it send only what changed")
	flags.Var(addressValue{&cfg.relay}, "relay", "an `address`, unix:///PATH, where solves are passed on "+
		"to the worker with their secrets")
	flags.Var(localsValue{&cfg.locals}, "local", "a directory to serve, `NAME=DIR`; repeatable")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}

	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case cfg.socket == "":
		err = errors.New("--addr is missing")
	case cfg.sharedKey == "":
		err = errors.New("--shared-key is missing")
	case len(cfg.locals) == 0:
		err = errors.New("--local is missing")
	}
	if err != nil {
		fmt.Fprintf(stderr, "weft-session: %v\n", err)
		flags.Usage()
		return nil, err
	}
	return cfg, nil
}

// talker writes lines of JSON, from any goroutine.
type talker struct {
	mu    sync.Mutex
	out   *json.Encoder
	notes map[string]bool
}

func newTalker(w io.Writer) *talker {
	return &talker{out: json.NewEncoder(w), notes: map[string]bool{}}
}

// maxNotes is how many notes are worth reading.
const maxNotes = 20

func (t *talker) say(line any) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.out.Encode(line)
}

// note says something of the directories once: several solves may ask for the same one.
func (t *talker) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.notes[text] || len(t.notes) > maxNotes {
		return
	}
	t.notes[text] = true
	if len(t.notes) > maxNotes {
		text = "there are more such files"
	}
	_ = t.out.Encode(noteLine{Note: text})
}

type noteLine struct {
	Note string `json:"note"`
}

type idLine struct {
	ID string `json:"id"`
}

type errorLine struct {
	Error string `json:"error"`
}

type countsLine struct {
	SentBytes     int64         `json:"sent_bytes"`
	ReceivedBytes int64         `json:"received_bytes"`
	Locals        []localCounts `json:"locals"`
}

// hold announces the session and serves it until ctx ends, which is the good end, or until it
// breaks. It returns the last line to print.
func hold(ctx context.Context, cfg *config, keys *keyring, out *talker) (any, error) {
	dirs, err := openDirs(cfg.locals, out.note)
	if err != nil {
		return nil, err
	}
	s, err := session.NewSession(ctx, cfg.sharedKey)
	if err != nil {
		return nil, err
	}
	s.Allow(&provider{dirs: dirs})
	if cfg.relay != "" {
		l, err := listen(cfg.relay)
		if err != nil {
			return nil, err
		}
		relayCtx, end := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = serveRelay(relayCtx, l, cfg.socket, keys)
		}()
		defer func() {
			end()
			<-ended // its socket is gone then
		}()
	}
	if err := out.say(idLine{ID: s.ID()}); err != nil {
		return nil, err
	}

	var sent traffic
	if err := serve(ctx, s, cfg.socket, &sent); err != nil {
		return nil, err
	}
	return countsLine{
		SentBytes:     sent.written.Load(),
		ReceivedBytes: sent.read.Load(),
		Locals:        dirs.counts(),
	}, nil
}

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return runCommand(args, stdout)
	}
	cfg, err := parseArgs(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitDone
	}
	if err != nil {
		return exitUsage
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in := bufio.NewReader(stdin)
	out := newTalker(stdout)
	keys := &keyring{}
	if cfg.relay != "" {
		keys, err = readSecrets(in)
	}
	go func() {
		_, _ = io.Copy(io.Discard, in) // the end and an error mean the same: nobody is there
		cancel()
	}()

	var last any
	if err == nil {
		last, err = hold(ctx, cfg, keys, out)
	}
	code := exitDone
	if err != nil {
		last, code = errorLine{Error: err.Error()}, exitFailed
	}
	if err := out.say(last); err != nil {
		return exitFailed
	}
	return code
}

// runCommand does what has an end of its own: no session is held.
func runCommand(args []string, stdout io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "call":
		return runCall(ctx, args[1:], stdout, os.Stderr)
	case "provenance":
		return runProvenance(ctx, args[1:], stdout, os.Stderr)
	}
	fmt.Fprintf(os.Stderr, "weft-session: unknown command %q\n", args[0])
	return exitUsage
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
