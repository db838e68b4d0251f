// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// relay NETNS LISTEN DIAL: listens on LISTEN in the network namespace it is
// started in, prints the address, and passes each connection to DIAL in the
// network namespace the file NETNS names. The listener is opened first; then the process executes
// itself again on a thread that has joined NETNS, so that every thread of the
// new program is there while the inherited listener stays where it was.
//
// relay NETNS LISTEN DIAL FD is that second half.
func relay(args []string) error {
	switch len(args) {
	case 3:
		return relayListen(args[0], args[1], args[2])
	case 4:
		fd, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return relayServe(args[2], uintptr(fd))
	}
	return fmt.Errorf("usage: relay NETNS LISTEN DIAL")
}

func relayListen(netns, listen, dial string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	// A descriptor that execve keeps: dup clears FD_CLOEXEC.
	fd, err := unix.Dup(int(f.Fd()))
	if err != nil {
		return err
	}
	ns, err := os.Open(netns)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	runtime.LockOSThread()
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("joining %s: %w", netns, err)
	}
	argv := []string{"kube", "relay", netns, listen, dial, strconv.Itoa(fd)}
	return syscall.Exec("/proc/self/exe", argv, os.Environ())
}

func relayServe(dial string, fd uintptr) error {
	l, err := net.FileListener(os.NewFile(fd, "listener"))
	if err != nil {
		return err
	}
	for {
		in, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", dial)
			if err != nil {
				fmt.Fprintln(os.Stderr, "relay:", err)
				return
			}
			defer out.Close()
			done := make(chan struct{})
			go func() { splice(out, in); close(done) }()
			splice(in, out)
			<-done
		}()
	}
}

// splice copies one direction and then closes the writing half, so that a
// half-closed stream stays half closed.
func splice(dst, src net.Conn) {
	_, _ = io.Copy(dst, src)
	_ = dst.(*net.TCPConn).CloseWrite()
}
