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

// watchedConn tells on failed, which has room for one, the first error that a read met.
// session.Run does not say why a session ended, and may not even return.
type watchedConn struct {
	net.Conn
	failed chan<- error
}

func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		select {
		case c.failed <- err:
		default:
		}
	}
	return n, err
}

// serve attaches the session to the worker that listens on socket. It returns nil when ctx has
// ended the session, else what did.
func serve(ctx context.Context, s *session.Session, socket string, t *traffic) error {
	dialFailed := make(chan error, 1)
	client, err := grpc.NewClient("passthrough:///worker",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage),
			grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
			if err != nil {
				select {
				case dialFailed <- err:
				default:
				}
				return nil, err
			}
			return &countedConn{Conn: conn, traffic: t}, nil
		}))
	if err != nil {
		return err
	}
	defer client.Close()

	attach := grpchijack.Dialer(control.NewControlClient(client))
	readFailed := make(chan error, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func(ctx context.Context, proto string,
			meta map[string][]string) (net.Conn, error) {
			conn, err := attach(ctx, proto, meta)
			if err != nil {
				return nil, err
			}
			return &watchedConn{Conn: conn, failed: readFailed}, nil
		})
	}()

	select {
	case <-ctx.Done():
	case err = <-dialFailed:
	case err = <-readFailed:
		err = fmt.Errorf("the worker ended the session: %w", err)
	case err = <-ended:
		if err == nil {
			err = errors.New("the worker ended the session")
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}
