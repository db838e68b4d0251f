// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// localCounts says what was sent of one directory.
type localCounts struct {
	Name      string `json:"name"`
	Transfers int64  `json:"transfers"` // how often a solve asked for the directory
	FilesSent int64  `json:"files_sent"`
	BytesSent int64  `json:"bytes_sent"` // contents only
}

// countedDir is a directory that counts what is read of it. Only the contents of files that the
// worker asked for are read, so that is what was sent.
type countedDir struct {
	fsutil.FS
	transfers atomic.Int64
	files     atomic.Int64
	bytes     atomic.Int64
}

type countedFile struct {
	io.ReadCloser
	bytes *atomic.Int64
}

func (f *countedFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	f.bytes.Add(int64(n))
	return n, err
}

func (d *countedDir) Open(path string) (io.ReadCloser, error) {
	f, err := d.FS.Open(path)
	if err != nil {
		return nil, err
	}
	d.files.Add(1)
	return &countedFile{ReadCloser: f, bytes: &d.bytes}, nil
}

type servedDir struct {
	counted *countedDir
	served  fsutil.FS // counted, as the worker sees it
}

// dirSet is what the session serves: a filesync.DirSource.
type dirSet struct {
	names  []string // in the order of the command line
	byName map[string]servedDir
}

func (s *dirSet) LookupDir(name string) (fsutil.FS, bool) {
	d, ok := s.byName[name]
	if !ok {
		return nil, false
	}
	d.counted.transfers.Add(1)
	return d.served, true
}

func (s *dirSet) counts() []localCounts {
	counts := make([]localCounts, 0, len(s.names))
	for _, name := range s.names {
		d := s.byName[name].counted
		counts = append(counts, localCounts{
			Name:      name,
			Transfers: d.transfers.Load(),
			FilesSent: d.files.Load(),
			BytesSent: d.bytes.Load(),
		})
	}
	return counts
}

// ownedByRoot makes the worker see every file as root's, as buildctl and docker do: who owns a
// working copy says nothing about the image.
func ownedByRoot(_ string, st *fstypes.Stat) fsutil.MapResult {
	st.Uid = 0
	st.Gid = 0
	return fsutil.MapResultKeep
}

func openDirs(locals []local) (*dirSet, error) {
	s := &dirSet{byName: make(map[string]servedDir, len(locals))}
	for _, l := range locals {
		root, err := fsutil.NewFS(l.dir)
		if err != nil {
			return nil, fmt.Errorf("local %q: %w", l.name, err)
		}
		counted := &countedDir{FS: root}
		served, err := fsutil.NewFilterFS(counted, &fsutil.FilterOpt{Map: ownedByRoot})
		if err != nil {
			return nil, fmt.Errorf("local %q: %w", l.name, err)
		}
		s.names = append(s.names, l.name)
		s.byName[l.name] = servedDir{counted: counted, served: served}
	}
	return s, nil
}
