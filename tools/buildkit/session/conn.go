// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	control "github.com/moby/buildkit/api/services/control"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/grpchijack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// maxMessage is the size of gRPC message that BuildKit's own clients allow.
const maxMessage = 16 << 20

// traffic counts the bytes that went through a connection.
type traffic struct {
	read    atomic.Int64
	written atomic.Int64
}

type countedConn struct {
	net.Conn
	traffic *traffic
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.traffic.read.Add(int64(n))
	return n, err
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.traffic.written.Add(int64(n))
	return n, err
}

// watchedConn remembers the first error that a read met. session.Run does not say why a session
// ended; this does.
type watchedConn struct {
	net.Conn
	err atomic.Pointer[error]
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.err.CompareAndSwap(nil, &err)
	}
	return n, err
}

func (c *watchedConn) readErr() error {
	if err := c.err.Load(); err != nil {
		return *err
	}
	return errors.New("connection closed")
}

// serve attaches the session to the worker that listens on socket. It returns nil when ctx has
// ended the session, else what did.
func serve(ctx context.Context, s *session.Session, socket string, t *traffic) error {
	var dialErr atomic.Pointer[error]
	client, err := grpc.NewClient("passthrough:///worker",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage),
			grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
			if err != nil {
				dialErr.Store(&err)
				return nil, err
			}
			return &countedConn{Conn: conn, traffic: t}, nil
		}))
	if err != nil {
		return err
	}
	defer client.Close()

	attach := grpchijack.Dialer(control.NewControlClient(client))
	var conn *watchedConn
	err = s.Run(ctx, func(ctx context.Context, proto string,
		meta map[string][]string) (net.Conn, error) {
		c, err := attach(ctx, proto, meta)
		if err != nil {
			return nil, err
		}
		conn = &watchedConn{Conn: c}
		return conn, nil
	})
	switch {
	case ctx.Err() != nil:
		return nil
	case dialErr.Load() != nil:
		return *dialErr.Load()
	case err != nil:
		return err
	}
	return fmt.Errorf("the worker ended the session: %w", conn.readErr())
}
