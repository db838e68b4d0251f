// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
)

// provider attaches a dirSet to a session. BuildKit's own provider does each transfer; this one
// stands in front of it to count, and to make an unreadable file an error.
type provider struct {
	filesync.UnimplementedFileSyncServer
	dirs *dirSet
}

func (p *provider) Register(server *grpc.Server) {
	filesync.RegisterFileSyncServer(server, p)
}

func (p *provider) DiffCopy(stream filesync.FileSync_DiffCopyServer) error {
	t := &transfer{FileSync_DiffCopyServer: stream, dirs: p.dirs}
	return filesync.NewFSSyncProvider(t).(filesync.FileSyncServer).DiffCopy(t)
}

// transfer is one request of a solve for a directory: the stream that carries it, with sends from
// several goroutines allowed, and the source of its directory (filesync.DirSource).
type transfer struct {
	filesync.FileSync_DiffCopyServer
	sending sync.Mutex
	dirs    *dirSet
}

func (t *transfer) SendMsg(m any) error {
	t.sending.Lock()
	defer t.sending.Unlock()
	return t.FileSync_DiffCopyServer.SendMsg(m)
}

// fail ends the transfer with an error that the user sees. fsutil's sender does not: it takes a
// file that cannot be opened for an empty one, which the image then holds, and waits for ever
// after one that cannot be read.
func (t *transfer) fail(err error) {
	_ = t.SendMsg(&fstypes.Packet{Type: fstypes.PACKET_ERR, Data: []byte(err.Error())})
}

func (t *transfer) LookupDir(name string) (fsutil.FS, bool) {
	d := t.dirs.find(name)
	if d == nil {
		return nil, false
	}
	d.transfers.Add(1)
	return &transferFS{FS: d.root, dir: d, transfer: t}, true
}

// transferFS is a directory as one transfer reads it.
type transferFS struct {
	fsutil.FS
	dir      *servedDir
	transfer *transfer
}

// Open opens a file that the worker asked for.
func (fs *transferFS) Open(path string) (io.ReadCloser, error) {
	f, err := fs.FS.Open(path)
	if err != nil {
		fs.transfer.fail(err)
		return nil, err
	}
	fs.dir.files.Add(1)
	return &transferFile{ReadCloser: f, fs: fs}, nil
}

type transferFile struct {
	io.ReadCloser
	fs *transferFS
}

func (f *transferFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.fs.dir.bytes.Add(int64(n))
	if err != nil && err != io.EOF {
		f.fs.transfer.fail(err)
	}
	return n, err
}
