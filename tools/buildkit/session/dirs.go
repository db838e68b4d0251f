// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync/atomic"

	"github.com/tonistiigi/fsutil"
)

// localCounts says what was sent of one directory.
type localCounts struct {
	Name      string `json:"name"`
	Transfers int64  `json:"transfers"` // how often a solve asked for the directory
	FilesSent int64  `json:"files_sent"`
	BytesSent int64  `json:"bytes_sent"` // contents only
}

// servedDir is a directory of the command line, and what was sent of it. Only the contents that
// the worker asked for are read, so what was read is what was sent.
type servedDir struct {
	root      fsutil.FS
	transfers atomic.Int64
	files     atomic.Int64
	bytes     atomic.Int64
}

// dirSet is everything that the session serves.
type dirSet struct {
	names  []string // in the order of the command line
	byName map[string]*servedDir
}

func openDirs(locals []local) (*dirSet, error) {
	s := &dirSet{byName: make(map[string]*servedDir, len(locals))}
	for _, l := range locals {
		root, err := fsutil.NewFS(l.dir)
		if err != nil {
			return nil, fmt.Errorf("local %q: %w", l.name, err)
		}
		s.names = append(s.names, l.name)
		s.byName[l.name] = &servedDir{root: root}
	}
	return s, nil
}

func (s *dirSet) counts() []localCounts {
	counts := make([]localCounts, 0, len(s.names))
	for _, name := range s.names {
		d := s.byName[name]
		counts = append(counts, localCounts{
			Name:      name,
			Transfers: d.transfers.Load(),
			FilesSent: d.files.Load(),
			BytesSent: d.bytes.Load(),
		})
	}
	return counts
}
