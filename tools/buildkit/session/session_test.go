// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/filesync"
	"github.com/moby/buildkit/session/grpchijack"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

func TestParseArgs(t *testing.T) {
	good := []string{"--addr", "unix:///run/w/s", "--shared-key", "k", "--local", "context=/a=b",
		"--local=dockerfile=."}
	cfg, err := parseArgs(good, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := &config{socket: "/run/w/s", sharedKey: "k",
		locals: []local{{"context", "/a=b"}, {"dockerfile", "."}}}
	if !reflect.DeepEqual(cfg, want) {
		t.Fatalf("got %+v, want %+v", cfg, want)
	}

	for _, tc := range []struct {
		name string
		args []string
		says string
	}{
		{"nothing", nil, "--addr is missing"},
		{"tcp", []string{"--addr", "tcp://h:1"}, "not of the form unix:///PATH"},
		{"relative socket", []string{"--addr", "unix://s"}, "not of the form unix:///PATH"},
		{"no key", []string{"--addr", "unix:///s", "--local", "a=b"}, "--shared-key is missing"},
		{"no local", []string{"--addr", "unix:///s", "--shared-key", "k"}, "--local is missing"},
		{"no name", []string{"--local", "=b"}, "not of the form NAME=DIR"},
		{"no dir", []string{"--local", "a="}, "not of the form NAME=DIR"},
		{"no equals", []string{"--local", "a"}, "not of the form NAME=DIR"},
		{"twice", []string{"--local", "a=b", "--local", "a=c"}, `"a" is given twice`},
		{"argument", append([]string{}, append(good, "x")...), `unexpected argument "x"`},
		{"flag", []string{"--nope"}, "not defined: -nope"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var stderr bytes.Buffer
			if _, err := parseArgs(tc.args, &stderr); err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(stderr.String(), tc.says) {
				t.Fatalf("%q is not in %q", tc.says, stderr.String())
			}
		})
	}
	if _, err := parseArgs([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("-h: got %v", err)
	}
}

func TestCountedConn(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	var sent traffic
	c := &countedConn{Conn: b, traffic: &sent}
	go func() {
		_, _ = io.ReadFull(a, make([]byte, 3))
		_, _ = a.Write(make([]byte, 5))
	}()
	if _, err := c.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := c.Write([]byte("x")); err == nil {
		t.Fatal("wrote to a closed connection")
	}
	if r, w := sent.read.Load(), sent.written.Load(); r != 5 || w != 3 {
		t.Fatalf("read %d, wrote %d; want 5 and 3", r, w)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	s, err := openDirs([]local{{"context", dir}, {"my-context", dir}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]*servedDir{
		"context":              s.byName["context"],
		"arm64-context":        s.byName["context"],
		"my-context":           s.byName["my-context"],
		"arm64-my-context":     s.byName["my-context"],
		"linux-arm-v7-context": s.byName["context"],
		"contexts":             nil,
		"context-":             nil,
		"xcontext":             nil,
		"":                     nil,
	} {
		if got := s.find(name); got != want {
			t.Errorf("%q: got %p, want %p", name, got, want)
		}
	}
}

// worker is the part of buildkitd that a session meets.
type worker struct {
	control.UnimplementedControlServer
	sessions *session.Manager
	drop     chan struct{} // closed: ends every session without a word
}

func (w *worker) Session(stream control.Control_SessionServer) error {
	conn, closed, opts := grpchijack.Hijack(stream)
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		<-closed
		cancel()
	}()
	ended := make(chan error, 1)
	go func() { ended <- w.sessions.HandleConn(ctx, conn, opts) }()
	select {
	case err := <-ended:
		return err
	case <-w.drop:
		return nil
	}
}

func startWorker(t *testing.T) (*worker, *grpc.Server, string) {
	t.Helper()
	sessions, err := session.NewManager()
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{sessions: sessions, drop: make(chan struct{})}
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	control.RegisterControlServer(server, w)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return w, server, socket
}

// holder is a weft-session at work.
type holder struct {
	stdin *io.PipeWriter
	lines *bufio.Reader
	code  chan int
}

func startHolder(socket string, locals ...string) *holder {
	args := []string{"--addr", "unix://" + socket, "--shared-key", "key"}
	for _, l := range locals {
		args = append(args, "--local", l)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	h := &holder{stdin: inW, lines: bufio.NewReader(outR), code: make(chan int, 1)}
	go func() {
		code := run(args, inR, outW, io.Discard)
		outW.Close()
		h.code <- code
	}()
	return h
}

func (h *holder) line(t *testing.T, into any) {
	t.Helper()
	line, err := h.lines.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func (h *holder) exit(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-h.code:
		if code != want {
			t.Fatalf("exit code %d, want %d", code, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still there after 10 s")
	}
}

func (h *holder) caller(t *testing.T, w *worker) session.Caller {
	t.Helper()
	var id idLine
	h.line(t, &id)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := w.sessions.Get(ctx, id.ID, false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// ownedByMe lets an ordinary user receive root's files.
func ownedByMe(st *fstypes.Stat) {
	st.Uid, st.Gid = uint32(os.Getuid()), uint32(os.Getgid())
}

func TestTransferAndCounts(t *testing.T) {
	w, _, socket := startWorker(t)
	dir, dest := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), "hello")
	writeFile(t, filepath.Join(dir, "b"), "not asked for")
	if err := os.Lchown(filepath.Join(dir, "a"), 4711, 4712); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	h := startHolder(socket, "context="+dir, "idle="+dir)
	c := h.caller(t, w)
	if c.SharedKey() != "key" {
		t.Fatalf("shared key %q", c.SharedKey())
	}

	var owners []uint32
	sync := func(name string) error {
		return filesync.FSSync(t.Context(), c, filesync.FSSendRequestOpt{
			Name:            name,
			IncludePatterns: []string{"a"},
			DestDir:         dest,
			Filter: func(_ string, st *fstypes.Stat) bool {
				owners = append(owners, st.Uid, st.Gid)
				st.Uid, st.Gid = uint32(os.Getuid()), uint32(os.Getgid())
				return true
			},
		})
	}
	if err := sync("context"); err != nil {
		t.Fatal(err)
	}
	if len(owners) == 0 || slices.Max(owners) != 0 {
		t.Fatalf("owners sent: %v", owners)
	}
	if err := sync("context"); err != nil { // nothing changed: no contents travel
		t.Fatal(err)
	}
	if err := sync("elsewhere"); err == nil {
		t.Fatal("served a directory that it was not given")
	}
	got, err := os.ReadFile(filepath.Join(dest, "a"))
	if err != nil || string(got) != "hello" {
		t.Fatalf("received %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(dest, "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("b: %v", err)
	}

	h.stdin.Close()
	var counts countsLine
	h.line(t, &counts)
	h.exit(t, exitDone)
	if counts.SentBytes < 5 || counts.ReceivedBytes == 0 {
		t.Fatalf("%+v", counts)
	}
	want := []localCounts{{"context", 2, 1, 5}, {"idle", 0, 0, 0}}
	if !reflect.DeepEqual(counts.Locals, want) {
		t.Fatalf("got %+v, want %+v", counts.Locals, want)
	}
}

// A file that is listed and then cannot be opened must fail the transfer, not arrive empty.
func TestUnreadableFile(t *testing.T) {
	w, _, socket := startWorker(t)
	dir := t.TempDir()
	gone := filepath.Join(dir, "gone")
	writeFile(t, gone, "text")
	h := startHolder(socket, "context="+dir)
	c := h.caller(t, w)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err := filesync.FSSync(ctx, c, filesync.FSSendRequestOpt{
		Name:    "context",
		DestDir: t.TempDir(),
		Filter: func(_ string, st *fstypes.Stat) bool { // between the listing and the request
			_ = os.Remove(gone)
			ownedByMe(st)
			return true
		},
	})
	if err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Fatalf("got %v", err)
	}
	h.stdin.Close()
	var counts countsLine
	h.line(t, &counts)
	h.exit(t, exitDone)
}

func TestEndOfStdinBeforeUse(t *testing.T) {
	_, _, socket := startWorker(t)
	h := startHolder(socket, "context="+t.TempDir())
	h.stdin.Close()
	var id idLine
	h.line(t, &id)
	var counts countsLine
	h.line(t, &counts)
	h.exit(t, exitDone)
	if id.ID == "" || counts.Locals[0] != (localCounts{Name: "context"}) {
		t.Fatalf("%+v %+v", id, counts)
	}
}

func TestErrors(t *testing.T) {
	t.Run("no worker", func(t *testing.T) {
		h := startHolder(filepath.Join(t.TempDir(), "s"), "context="+t.TempDir())
		var id idLine
		h.line(t, &id)
		var e errorLine
		h.line(t, &e)
		h.exit(t, exitFailed)
		if !strings.Contains(e.Error, "no such file or directory") {
			t.Fatal(e.Error)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		h := startHolder("/s", "context="+filepath.Join(t.TempDir(), "nope"))
		var e errorLine
		h.line(t, &e)
		h.exit(t, exitFailed)
		if !strings.Contains(e.Error, `local "context"`) {
			t.Fatal(e.Error)
		}
	})
	t.Run("worker dies", func(t *testing.T) {
		w, server, socket := startWorker(t)
		h := startHolder(socket, "context="+t.TempDir())
		h.caller(t, w)
		server.Stop()
		var e errorLine
		h.line(t, &e)
		h.exit(t, exitFailed)
		if !strings.Contains(e.Error, "the worker ended the session") {
			t.Fatal(e.Error)
		}
	})
	t.Run("worker ends the session", func(t *testing.T) {
		w, _, socket := startWorker(t)
		dir := t.TempDir()
		writeFile(t, filepath.Join(dir, "a"), strings.Repeat("x", 8<<20))
		h := startHolder(socket, "context="+dir)
		c := h.caller(t, w)
		// In the middle of a transfer, whose data nobody reads.
		stream, err := filesync.NewFileSyncClient(c.Conn()).DiffCopy(metadata.NewOutgoingContext(
			t.Context(), metadata.Pairs("dir-name", "context")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); err != nil { // the listing of a, whose number is 0
			t.Fatal(err)
		}
		if err := stream.Send(&fstypes.Packet{Type: fstypes.PACKET_REQ}); err != nil {
			t.Fatal(err)
		}
		if m, err := stream.Recv(); err != nil || m.Type != fstypes.PACKET_STAT {
			t.Fatal(m, err)
		}
		close(w.drop)
		var e errorLine
		h.line(t, &e)
		h.exit(t, exitFailed)
		if !strings.Contains(e.Error, "the worker ended the session") {
			t.Fatal(e.Error)
		}
	})
	t.Run("usage", func(t *testing.T) {
		if code := run(nil, strings.NewReader(""), io.Discard, io.Discard); code != exitUsage {
			t.Fatalf("exit code %d", code)
		}
	})
}
