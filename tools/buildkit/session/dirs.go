// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
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

// openDirs: note is told what the user should know of a transfer.
func openDirs(locals []local, note func(string)) (*dirSet, error) {
	s := &dirSet{byName: make(map[string]*servedDir, len(locals))}
	for _, l := range locals {
		root, err := newTree(l.dir, note)
		if err != nil {
			return nil, fmt.Errorf("local %q: %w", l.name, err)
		}
		s.names = append(s.names, l.name)
		s.byName[l.name] = &servedDir{root: root}
	}
	return s, nil
}

// find returns the directory that a solve calls name, or nil. BuildKit keeps what it received of a
// directory per name, and a solve that gives SLOT:ID for the session's id asks for SLOT-NAME: it
// gets the same directory, kept apart.
func (s *dirSet) find(name string) *servedDir {
	for {
		if d, ok := s.byName[name]; ok {
			return d
		}
		_, rest, ok := strings.Cut(name, "-")
		if !ok {
			return nil
		}
		name = rest
	}
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
