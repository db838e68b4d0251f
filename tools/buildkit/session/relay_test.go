// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func noAWS(context.Context) (map[string]string, error) { return nil, errors.New("none") }

func TestReadSecrets(t *testing.T) {
	got, err := readSecrets(bufio.NewReader(strings.NewReader(
		"{\"secrets\":[\"a\",\"b c\"],\"options\":{\"k\":\"v\"}}\nrest")))
	if err != nil || len(got.secrets) != 2 || got.secrets[1] != "b c" || got.options["k"] != "v" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "{\"secrets\":[\"hush\"]}", "[\"hush\"]\n", "{\"options\":hush}\n",
		"{\"options\":{\"hush\":1}}\n"} {
		_, err := readSecrets(bufio.NewReader(strings.NewReader(text)))
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFill(t *testing.T) {
	aws := func(context.Context) (map[string]string, error) {
		return map[string]string{"access_key_id": "ID", "secret_access_key": "KEY",
			"session_token": "TOKEN"}, nil
	}
	for _, c := range []struct {
		kind, given, want string
		aws               func(context.Context) (map[string]string, error)
	}{
		{"gha", `{"token":"weft-secret:1","scope":"s"}`, `{"scope":"s","token":"two"}`, aws},
		{"gha", `{"token":"weft-secret:2"}`, "", aws},
		{"gha", `{"token":"weft-secret:"}`, "", aws},
		{"gha", `{"token":"weft-secret:-1"}`, "", aws},
		{"gha", `{"scope":"a weft-secret:0"}`, `{"scope":"a weft-secret:0"}`, aws},
		{"s3", `null`, `{"access_key_id":"ID","secret_access_key":"KEY","session_token":"TOKEN"}`, aws},
		{"s3", `{"access_key_id":"a","secret_access_key":"weft-secret:0"}`,
			`{"access_key_id":"a","secret_access_key":"one"}`, aws},
		{"s3", `{"access_key_id":"a"}`,
			`{"access_key_id":"a","secret_access_key":"KEY","session_token":"TOKEN"}`, aws},
		{"s3", `{"bucket":"b"}`, `{"bucket":"b"}`, noAWS},
	} {
		var attrs map[string]string
		if err := json.Unmarshal([]byte(c.given), &attrs); err != nil {
			t.Fatal(err)
		}
		k := &keyring{secrets: []string{"one", "two"}, aws: c.aws}
		filled, err := k.fill(context.Background(), c.kind, attrs)
		got, _ := json.Marshal(filled)
		if (err != nil) != (c.want == "") || (err == nil && string(got) != c.want) {
			t.Errorf("%s %s: got %s, %v; want %s", c.kind, c.given, got, err, c.want)
		}
	}
}

// fakeWorker takes solves, and answers Status with a header, messages and an error.
type fakeWorker struct {
	control.UnimplementedControlServer
	solved *control.SolveRequest
	meta   metadata.MD
}

func (w *fakeWorker) Solve(ctx context.Context, req *control.SolveRequest) (*control.SolveResponse, error) {
	w.solved = req
	w.meta, _ = metadata.FromIncomingContext(ctx)
	return &control.SolveResponse{ExporterResponse: map[string]string{"k": "v"}}, nil
}

func (w *fakeWorker) Status(_ *control.StatusRequest, s control.Control_StatusServer) error {
	if err := s.SendHeader(metadata.Pairs("stamp", "now")); err != nil {
		return err
	}
	for range 3 {
		if err := s.Send(&control.StatusResponse{}); err != nil {
			return err
		}
	}
	return status.Error(codes.NotFound, "no such build")
}

func (w *fakeWorker) Session(s control.Control_SessionServer) error {
	for {
		m, err := s.Recv()
		if err != nil {
			return nil
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// fakeBridge takes requests for a frontend.
type fakeBridge struct {
	gateway.UnimplementedLLBBridgeServer
	solved *gateway.SolveRequest
}

func (b *fakeBridge) Solve(_ context.Context, req *gateway.SolveRequest) (*gateway.SolveResponse, error) {
	b.solved = req
	return &gateway.SolveResponse{}, nil
}

// startRelay gives a client of the fake worker behind a relay.
func startRelay(t *testing.T, w *fakeWorker, b *fakeBridge, keys *keyring) *grpc.ClientConn {
	t.Helper()
	dir := t.TempDir()
	worker := filepath.Join(dir, "w")
	l, err := net.Listen("unix", worker)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	control.RegisterControlServer(server, w)
	gateway.RegisterLLBBridgeServer(server, b)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)

	path := filepath.Join(dir, "r")
	stale, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	relayListener, err := listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveRelay(ctx, relayListener, worker, keys) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		if _, err := net.Dial("unix", path); err == nil {
			t.Error("the relay still listens")
		}
	})
	client, err := grpc.NewClient("unix://"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func TestRelaySolve(t *testing.T) {
	w, b := &fakeWorker{}, &fakeBridge{}
	conn := startRelay(t, w, b, &keyring{secrets: []string{"hush"}, aws: noAWS,
		options: map[string]string{"build-arg:HTTP_PROXY": "http://u:p@h", "target": "never"}})
	c := control.NewControlClient(conn)
	entry := func() *control.CacheOptionsEntry {
		return &control.CacheOptionsEntry{Type: "azblob",
			Attrs: map[string]string{"secret_access_key": "weft-secret:0", "name": "n"}}
	}
	imports, _ := json.Marshal([]*control.CacheOptionsEntry{entry()})
	req := &control.SolveRequest{Ref: "ref",
		FrontendAttrs: map[string]string{"cache-imports": string(imports), "target": "t"},
		Cache: &control.CacheOptions{Imports: []*control.CacheOptionsEntry{entry()},
			Exports: []*control.CacheOptionsEntry{entry()}}}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "x-mark", "yes")
	resp, err := c.Solve(ctx, req)
	if err != nil || resp.ExporterResponse["k"] != "v" {
		t.Fatalf("got %v, %v", resp, err)
	}
	got := w.solved
	if got.Ref != "ref" || got.FrontendAttrs["target"] != "t" || w.meta.Get("x-mark")[0] != "yes" {
		t.Errorf("what was none of the relay's business: %v, %v", got, w.meta)
	}
	for _, key := range []string{got.Cache.Imports[0].Attrs["secret_access_key"],
		got.Cache.Exports[0].Attrs["secret_access_key"]} {
		if key != "hush" {
			t.Errorf("got %q", key)
		}
	}
	if text := got.FrontendAttrs["cache-imports"]; !strings.Contains(text, `"hush"`) ||
		strings.Contains(text, "weft-secret") {
		t.Errorf("the frontend is told %s", text)
	}

	asked := &gateway.SolveRequest{Frontend: "dockerfile.v0",
		FrontendOpt:  map[string]string{"cache-imports": string(imports), "target": "t"},
		CacheImports: []*gateway.CacheOptionsEntry{{Type: "gha", Attrs: entry().Attrs}},
	}
	if _, err := gateway.NewLLBBridgeClient(conn).Solve(ctx, asked); err != nil {
		t.Fatal(err)
	}
	if text := b.solved.FrontendOpt["cache-imports"]; !strings.Contains(text, `"hush"`) ||
		strings.Contains(text, "weft-secret") || b.solved.FrontendOpt["target"] != "t" ||
		b.solved.CacheImports[0].Attrs["secret_access_key"] != "hush" {
		t.Errorf("the frontend is asked for with %v", b.solved)
	}

	if b.solved.FrontendOpt["build-arg:HTTP_PROXY"] != "http://u:p@h" {
		t.Errorf("the frontend is told %v", b.solved.FrontendOpt)
	}
	if _, ok := got.FrontendAttrs["build-arg:HTTP_PROXY"]; ok {
		t.Errorf("a request without a frontend has %v", got.FrontendAttrs)
	}
	if _, err := c.Solve(ctx, &control.SolveRequest{Frontend: "dockerfile.v0"}); err != nil ||
		w.solved.FrontendAttrs["build-arg:HTTP_PROXY"] != "http://u:p@h" {
		t.Errorf("a request with a frontend has %v, %v", w.solved.FrontendAttrs, err)
	}

	if _, err := c.Solve(ctx, &control.SolveRequest{}); err != nil {
		t.Errorf("without caches: %v", err)
	}
	bad := &control.SolveRequest{Cache: &control.CacheOptions{
		Imports: []*control.CacheOptionsEntry{{Type: "gha",
			Attrs: map[string]string{"token": "weft-secret:7"}}}}}
	if _, err := c.Solve(ctx, bad); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a secret that is not there: %v", err)
	}
}

func TestRelayStreams(t *testing.T) {
	c := control.NewControlClient(startRelay(t, &fakeWorker{}, &fakeBridge{}, &keyring{aws: noAWS}))
	s, err := c.Status(context.Background(), &control.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := s.Header(); err != nil || h.Get("stamp")[0] != "now" {
		t.Errorf("header %v, %v", h, err)
	}
	n := 0
	for ; ; n++ {
		if _, err = s.Recv(); err != nil {
			break
		}
	}
	if n != 3 || status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "no such build") {
		t.Errorf("%d messages, then %v", n, err)
	}

	both, err := c.Session(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "a", strings.Repeat("x", 1<<20)} {
		if err := both.Send(&control.BytesMessage{Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
		if m, err := both.Recv(); err != nil || string(m.Data) != text {
			t.Fatalf("%d bytes came back as %d, %v", len(text), len(m.GetData()), err)
		}
	}
	if err := both.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := both.Recv(); err == nil {
		t.Error("the end did not come back")
	}
}
