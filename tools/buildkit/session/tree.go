// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

// tree is a directory on this machine, as fsutil.NewFS reads one, but for this:
//   - Of a file that vanishes while its directory is listed, fsutil takes "does not exist" for the
//     end of the directory, and the files after it are missing in the image without a word. Here
//     it is left out, as if it had vanished before.
//   - Hard links are those of one file system: of two files with the same number on two of them,
//     fsutil makes one.
//   - Nothing is asked or kept of a file that no pattern lets through.
//   - A device is an error here already. A worker without privileges cannot make one, and would name
//     a file in its own state.
//   - The owner is root, as buildctl and docker have it: who owns a working copy says nothing about
//     the image.
type tree struct {
	root string
	note func(string) // tell the user
}

// newTree: root is a directory; symbolic links in its name are followed now.
func newTree(root string, note func(string)) (*tree, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	st, err := os.Stat(root)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, &os.PathError{Op: "open", Path: root, Err: syscall.ENOTDIR}
	}
	return &tree{root: root, note: note}, nil
}

// errVanished ends what is done with one entry. It must not be fs.ErrNotExist, see above.
var errVanished = errors.New("it is there no more")

func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// explain adds to an error what can be done about it.
func explain(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: let it be read, or exclude it with .dockerignore", err)
	}
	return err
}

// inode is a file's identity.
type inode struct{ dev, ino uint64 }

// treeEntry is one entry of a walk. It is looked at when somebody asks for more than its name.
type treeEntry struct {
	fs.DirEntry
	tree *tree
	path string           // below the root
	seen map[inode]string // files with several names, and the first of them
	stat *fstypes.Stat    // once it was asked for
}

func (e *treeEntry) load() (*fstypes.Stat, error) {
	full := filepath.Join(e.tree.root, e.path)
	if e.Type()&fs.ModeDevice != 0 {
		return nil, fmt.Errorf("%s is a device, and an unprivileged worker cannot make one: "+
			"exclude it with .dockerignore", full)
	}
	st, err := fsutil.Stat(full)
	if err != nil {
		return nil, err
	}
	st.Path = e.path
	st.Uid, st.Gid = 0, 0
	if st.Mode&uint32(fs.ModeType) != 0 { // only files with content have a first name
		return st, nil
	}
	if e.Type()&fs.ModeSocket != 0 {
		e.tree.note(fmt.Sprintf("%s is a socket: the build has an empty file in its place", full))
	}
	fi, err := e.DirEntry.Info()
	if err != nil {
		return nil, err
	}
	if raw, ok := fi.Sys().(*syscall.Stat_t); ok && raw.Nlink > 1 {
		id := inode{uint64(raw.Dev), raw.Ino}
		if first, ok := e.seen[id]; ok {
			st.Linkname, st.Size = first, 0
		} else {
			e.seen[id] = e.path
		}
	}
	return st, nil
}

// Info gives a copy: who asks may change it.
func (e *treeEntry) Info() (fs.FileInfo, error) {
	if e.stat == nil {
		st, err := e.load()
		if isGone(err) {
			return nil, errVanished
		}
		if err != nil {
			return nil, explain(err)
		}
		e.stat = st
	}
	return &fsutil.StatInfo{Stat: e.stat.Clone()}, nil
}

// Walk calls fn for what is below target, a path below the root, and for target itself, but not for
// the root.
func (t *tree) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	seen := map[inode]string{}
	return filepath.WalkDir(filepath.Join(t.root, target), func(full string, d fs.DirEntry,
		walkErr error) error {
		path, err := filepath.Rel(t.root, full)
		if err != nil {
			return err
		}
		if path == "." && walkErr == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		gone := func() error {
			if d != nil && d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		if walkErr != nil && isGone(walkErr) {
			return gone()
		}
		var entry fs.DirEntry
		if d != nil {
			entry = &treeEntry{DirEntry: d, tree: t, path: path, seen: seen}
		}
		err = fn(path, entry, explain(walkErr))
		if errors.Is(err, errVanished) {
			return gone()
		}
		return err
	})
}

// bigHole is a hole that is worth a word. BuildKit's protocol has none, so that its zeros travel.
const bigHole = 1 << 30

// Open opens a file that a walk has found. What has taken its place since is not followed, and not
// waited for.
func (t *tree) Open(path string) (io.ReadCloser, error) {
	full := filepath.Join(t.root, path)
	f, err := os.OpenFile(full, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) { // a socket: an empty file for the worker, as from buildctl
		return io.NopCloser(strings.NewReader("")), nil
	}
	if err != nil {
		return nil, explain(err)
	}
	before, err := f.Stat()
	if err == nil && !before.Mode().IsRegular() {
		err = fmt.Errorf("%s was replaced while it was sent", full)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	if raw, ok := before.Sys().(*syscall.Stat_t); ok {
		if hole := before.Size() - raw.Blocks*512; hole >= bigHole {
			t.note(fmt.Sprintf("%s has holes of %d GB, which are sent and kept as zeros", full, hole>>30))
		}
	}
	return &treeFile{File: f, tree: t, before: before}, nil
}

// treeFile is a file that is being sent.
type treeFile struct {
	*os.File
	tree   *tree
	before fs.FileInfo
}

// Close says whether the file has changed since it was opened: it was sent with parts of both.
func (f *treeFile) Close() error {
	after, err := f.Stat()
	if err == nil && (after.Size() != f.before.Size() || !after.ModTime().Equal(f.before.ModTime())) {
		f.tree.note(fmt.Sprintf("%s changed while it was sent: the build has a mixture", f.Name()))
	}
	return f.File.Close()
}
