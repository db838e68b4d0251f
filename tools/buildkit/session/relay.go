// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A build's caches may need secrets, and so may its build arguments: a proxy's URL has a password.
// buildctl takes both on its command line only, where every user of the machine can read them. So
// buildctl is given a mark in the place of each secret of a cache, no such build argument, and the
// relay's socket in the place of the worker's. The relay passes on all that comes, and puts what is
// missing into two requests: the one that starts a solve, and the one in which buildctl then asks
// for the frontend.

// secretMark stands, with the index of the secret behind it, for the value of an attribute.
const secretMark = "weft-secret:"

const (
	solveMethod    = "/moby.buildkit.v1.Control/Solve"
	frontendMethod = "/moby.buildkit.v1.frontend.LLBBridge/Solve"
	// importsOption tells a frontend which caches to ask for: a JSON array of caches.
	importsOption = "cache-imports"
)

// frame is a message that is passed on as it is.
type frame struct{ data []byte }

// frameCodec bears the name of the codec that both ends use, so that neither sees the relay.
type frameCodec struct{}

func (frameCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.(*frame).data)}, nil
}

func (frameCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*frame).data = data.Materialize()
	return nil
}

func (frameCodec) Name() string { return "proto" }

// keyring knows the secrets of a build.
type keyring struct {
	secrets []string // of caches, by number
	// options are those of the frontend that buildctl was not given.
	options map[string]string
	// aws finds the credentials that AWS's own programs would use; nil where there are none.
	aws func(context.Context) (map[string]string, error)
}

// readSecrets takes the first line of in: a JSON object with the secrets of the caches, and with
// further options.
func readSecrets(in *bufio.Reader) (*keyring, error) {
	line, err := in.ReadBytes('\n')
	if err != nil {
		return nil, errors.New("the secrets did not come")
	}
	var given struct {
		Secrets []string          `json:"secrets"`
		Options map[string]string `json:"options"`
	}
	if err := json.Unmarshal(line, &given); err != nil {
		return nil, errors.New("the secrets are not what they should be") // err may show a part of them
	}
	return &keyring{secrets: given.Secrets, options: given.Options, aws: awsCredentials}, nil
}

// awsCredentials are those that docker buildx gives an S3 cache: of the environment, of the files
// in ~/.aws with their profiles, of a web identity, of the machine's or the container's role.
func awsCredentials(ctx context.Context) (map[string]string, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"access_key_id":     c.AccessKeyID,
		"secret_access_key": c.SecretAccessKey,
		"session_token":     c.SessionToken,
	}, nil
}

// fill puts the secrets into the attributes of one cache, and returns them.
func (k *keyring) fill(ctx context.Context, kind string, attrs map[string]string) (map[string]string,
	error) {
	for key, value := range attrs {
		number, ok := strings.CutPrefix(value, secretMark)
		if !ok {
			continue
		}
		i, err := strconv.Atoi(number)
		if err != nil || i < 0 || i >= len(k.secrets) {
			return nil, fmt.Errorf("%s: there is no secret %q", key, number)
		}
		attrs[key] = k.secrets[i]
	}
	if kind != "s3" {
		return attrs, nil
	}
	_, id := attrs["access_key_id"]
	_, secret := attrs["secret_access_key"]
	if id && secret { // then a token of somebody else's would not fit
		return attrs, nil
	}
	found, err := k.aws(ctx)
	if err != nil {
		return attrs, nil // as for docker buildx: the worker says that it has none
	}
	if attrs == nil {
		attrs = map[string]string{}
	}
	for key, value := range found {
		if _, given := attrs[key]; !given && value != "" {
			attrs[key] = value
		}
	}
	return attrs, nil
}

// fillOptions puts the secrets into the caches that the options of a frontend name.
func (k *keyring) fillOptions(ctx context.Context, options map[string]string) error {
	text, ok := options[importsOption]
	if !ok {
		return nil
	}
	var entries []client.CacheOptionsEntry
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return err
	}
	for i := range entries {
		var err error
		e := &entries[i]
		if e.Attrs, err = k.fill(ctx, e.Type, e.Attrs); err != nil {
			return err
		}
	}
	filled, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	options[importsOption] = string(filled)
	return nil
}

// addOptions adds what a frontend was not told yet. A request without a frontend, such as the one
// with which buildctl begins, goes as it is: the worker keeps that one for its history.
func (k *keyring) addOptions(frontend string, options map[string]string) map[string]string {
	if frontend == "" || len(k.options) == 0 {
		return options
	}
	if options == nil {
		options = map[string]string{}
	}
	for key, value := range k.options {
		if _, given := options[key]; !given {
			options[key] = value
		}
	}
	return options
}

// fillSolve puts the secrets into the request of a solve.
func (k *keyring) fillSolve(ctx context.Context, data []byte) ([]byte, error) {
	var req control.SolveRequest
	if err := req.UnmarshalVT(data); err != nil {
		return nil, err
	}
	caches := req.GetCache()
	for _, list := range [][]*control.CacheOptionsEntry{caches.GetImports(), caches.GetExports()} {
		for _, e := range list {
			var err error
			if e.Attrs, err = k.fill(ctx, e.Type, e.Attrs); err != nil {
				return nil, err
			}
		}
	}
	if err := k.fillOptions(ctx, req.FrontendAttrs); err != nil {
		return nil, err
	}
	req.FrontendAttrs = k.addOptions(req.Frontend, req.FrontendAttrs)
	return req.MarshalVT()
}

// fillFrontend puts the secrets into a request for a frontend.
func (k *keyring) fillFrontend(ctx context.Context, data []byte) ([]byte, error) {
	var req gateway.SolveRequest
	if err := req.UnmarshalVT(data); err != nil {
		return nil, err
	}
	for _, e := range req.CacheImports {
		var err error
		if e.Attrs, err = k.fill(ctx, e.Type, e.Attrs); err != nil {
			return nil, err
		}
	}
	if err := k.fillOptions(ctx, req.FrontendOpt); err != nil {
		return nil, err
	}
	req.FrontendOpt = k.addOptions(req.Frontend, req.FrontendOpt)
	return req.MarshalVT()
}

// relay passes the calls of buildctl on to the worker.
type relay struct {
	keys   *keyring
	worker *grpc.ClientConn
}

func (r *relay) handle(_ any, in grpc.ServerStream) error {
	method, ok := grpc.MethodFromServerStream(in)
	if !ok {
		return status.Error(codes.Internal, "a call without a method")
	}
	ctx, cancel := context.WithCancel(in.Context())
	defer cancel()
	if meta, ok := metadata.FromIncomingContext(ctx); ok {
		meta = meta.Copy()
		for _, own := range []string{":authority", "content-type", "grpc-accept-encoding",
			"user-agent"} {
			delete(meta, own)
		}
		ctx = metadata.NewOutgoingContext(ctx, meta)
	}
	out, err := r.worker.NewStream(ctx,
		&grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	asked := make(chan error, 1)
	go func() {
		asked <- r.ask(ctx, method, in, out)
	}()
	answered := make(chan error, 1)
	go func() {
		answered <- answer(in, out)
	}()
	for {
		select {
		case err := <-asked:
			if err != nil {
				return err
			}
			asked = nil // the caller has nothing more to say
		case err := <-answered:
			in.SetTrailer(out.Trailer())
			return err
		}
	}
}

// ask passes on what the caller says.
func (r *relay) ask(ctx context.Context, method string, in grpc.ServerStream,
	out grpc.ClientStream) error {
	for {
		var f frame
		err := in.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			return out.CloseSend()
		}
		if err != nil {
			return err
		}
		switch method {
		case solveMethod:
			f.data, err = r.keys.fillSolve(ctx, f.data)
		case frontendMethod:
			f.data, err = r.keys.fillFrontend(ctx, f.data)
		}
		if err != nil {
			return status.Errorf(codes.InvalidArgument, "weft-session: %v", err)
		}
		if err := out.SendMsg(&f); err != nil {
			if errors.Is(err, io.EOF) { // the worker has ended the call: its answer says why
				return nil
			}
			return err
		}
	}
}

// answer passes on what the worker says. Headers go first and by themselves: some callers wait for
// them before they say anything.
func answer(in grpc.ServerStream, out grpc.ClientStream) error {
	header, err := out.Header()
	if err == nil {
		if err := in.SendHeader(header); err != nil {
			return err
		}
	}
	for {
		var f frame
		err := out.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := in.SendMsg(&f); err != nil {
			return err
		}
	}
}

// listen makes the relay's socket, in a directory that is the user's alone. A socket that a killed
// weft-session left there is in the way.
func listen(path string) (net.Listener, error) {
	if st, err := os.Lstat(path); err == nil && st.Mode()&os.ModeSocket != 0 {
		_ = os.Remove(path)
	}
	return net.Listen("unix", path)
}

// serveRelay takes calls until ctx ends.
func serveRelay(ctx context.Context, l net.Listener, socket string, keys *keyring) error {
	worker, err := grpc.NewClient("passthrough:///worker",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(frameCodec{}),
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}))
	if err != nil {
		l.Close()
		return err
	}
	defer worker.Close()
	server := grpc.NewServer(grpc.ForceServerCodecV2(frameCodec{}),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage),
		grpc.UnknownServiceHandler((&relay{keys: keys, worker: worker}).handle))
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	return server.Serve(l) // closes l
}
