// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/solver/llbsolver/provenance/types"
	"github.com/moby/buildkit/solver/pb"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"
)

func openTree(t *testing.T, dir string) (*tree, *[]string) {
	t.Helper()
	var notes []string
	root, err := newTree(dir, func(text string) { notes = append(notes, text) })
	if err != nil {
		t.Fatal(err)
	}
	return root, &notes
}

// list walks as fsutil's sender does, through its filter, and gives what would be sent.
func list(f fsutil.FS, opt *fsutil.FilterOpt, see func(string)) ([]*fstypes.Stat, error) {
	f, err := fsutil.NewFilterFS(f, opt)
	if err != nil {
		return nil, err
	}
	var found []*fstypes.Stat
	err = fsutil.WithHardlinkReset(f).Walk(context.Background(), "/", func(path string,
		entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := entry.Info()
		if err != nil {
			return err
		}
		if see != nil {
			see(path)
		}
		found = append(found, fi.Sys().(*fstypes.Stat))
		return nil
	})
	return found, err
}

func paths(stats []*fstypes.Stat) string {
	var all []string
	for _, st := range stats {
		all = append(all, st.Path)
	}
	return strings.Join(all, " ")
}

// A file that vanishes takes no other with it: fsutil's own walk leaves out all that follow.
func TestVanishing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c", "d/e", "d/f", "g"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), name)
	}
	root, _ := openTree(t, dir)
	got, err := list(root, &fsutil.FilterOpt{}, func(path string) {
		switch path {
		case "a":
			_ = os.Remove(filepath.Join(dir, "b"))
		case "d":
			_ = os.Remove(filepath.Join(dir, "d/e"))
		case "d/f":
			_ = os.Remove(filepath.Join(dir, "d/f"))
		}
	})
	if err != nil || paths(got) != "a c d d/f g" {
		t.Fatalf("got %q, %v", paths(got), err)
	}
	got, err = list(root, &fsutil.FilterOpt{}, func(path string) {
		if path == "d" { // between its entry and its list
			_ = os.Remove(filepath.Join(dir, "d"))
		}
	})
	if err != nil || paths(got) != "a c d g" {
		t.Fatalf("got %q, %v", paths(got), err)
	}
}

func TestFilteredTree(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"keep/x", "keep/y", "skip/deep/x", "skip/deep/y", "z"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), name)
	}
	root, _ := openTree(t, dir)
	for _, c := range []struct {
		opt  fsutil.FilterOpt
		want string
	}{
		{fsutil.FilterOpt{ExcludePatterns: []string{"skip"}}, "keep keep/x keep/y z"},
		{fsutil.FilterOpt{ExcludePatterns: []string{"skip", "!skip/deep/y"}},
			"keep keep/x keep/y skip skip/deep skip/deep/y z"},
		{fsutil.FilterOpt{ExcludePatterns: []string{"**/x"}},
			"keep keep/y skip skip/deep skip/deep/y z"},
		{fsutil.FilterOpt{FollowPaths: []string{"keep/*", "nowhere", "z/none"}},
			"keep keep/x keep/y"},
	} {
		got, err := list(root, &c.opt, nil)
		if err != nil || paths(got) != c.want {
			t.Errorf("%+v: got %q, %v", c.opt, paths(got), err)
		}
	}
}

func TestHardLinks(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a"), "text")
	writeFile(t, filepath.Join(dir, "other"), "text")
	for _, name := range []string{"b", "c"} {
		if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, name)); err != nil {
			t.Skip(err)
		}
	}
	root, _ := openTree(t, dir)
	show := func(opt fsutil.FilterOpt) string {
		stats, err := list(root, &opt, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, st := range stats {
			if st.Uid != 0 || st.Gid != 0 {
				t.Errorf("%s is of %d:%d", st.Path, st.Uid, st.Gid)
			}
			all = append(all, st.Path+">"+st.Linkname)
		}
		return strings.Join(all, " ")
	}
	if got := show(fsutil.FilterOpt{}); got != "a> b>a c>a other>" {
		t.Errorf("got %q", got)
	}
	if got := show(fsutil.FilterOpt{ExcludePatterns: []string{"a"}}); got != "b> c>b other>" {
		t.Errorf("without the first: %q", got)
	}
}

func TestSpecialFiles(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, notes := openTree(t, dir)
	got, err := list(root, &fsutil.FilterOpt{}, nil)
	if err != nil || paths(got) != "fifo sock" {
		t.Fatalf("got %q, %v", paths(got), err)
	}
	if fs.FileMode(got[0].Mode)&fs.ModeNamedPipe == 0 || fs.FileMode(got[1].Mode)&fs.ModeType != 0 {
		t.Errorf("modes %o and %o", got[0].Mode, got[1].Mode)
	}
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "sock is a socket") {
		t.Errorf("notes %q", *notes)
	}
	f, err := root.Open("sock")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || len(text) != 0 {
		t.Errorf("got %q, %v", text, err)
	}
	// what took a file's place since is not waited for, and not followed
	writeFile(t, filepath.Join(dir, "target"), "secret")
	if err := os.Symlink("target", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "link", "."} {
		if f, err := root.Open(name); err == nil {
			f.Close()
			t.Errorf("%s was opened", name)
		}
	}
	if err := syscall.Mknod(filepath.Join(dir, "zero"), syscall.S_IFCHR|0o600, 1<<8|5); err != nil {
		t.Skip("no device can be made here")
	}
	if _, err := list(root, &fsutil.FilterOpt{}, nil); err == nil ||
		!strings.Contains(err.Error(), filepath.Join(dir, "zero")+" is a device") {
		t.Errorf("a device: %v", err)
	}
	if got, err := list(root, &fsutil.FilterOpt{ExcludePatterns: []string{"zero"}}, nil); err != nil {
		t.Errorf("a device that is excluded: %q, %v", paths(got), err)
	}
}

func TestChangeWhileSent(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"still", "grows"} {
		writeFile(t, filepath.Join(dir, name), "text")
	}
	root, notes := openTree(t, dir)
	for _, name := range []string{"still", "grows"} {
		f, err := root.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if name == "grows" {
			writeFile(t, filepath.Join(dir, name), "text and more")
		}
		if _, err := io.ReadAll(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "grows changed") {
		t.Errorf("notes %q", *notes)
	}
}

// BuildKit's protocol has no holes: who sends a large one should know.
func TestHole(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int64{"small": bigHole / 2, "large": 3 * bigHole} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(size); err != nil {
			t.Skip(err)
		}
		f.Close()
	}
	root, notes := openTree(t, dir)
	for _, name := range []string{"small", "large"} {
		f, err := root.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if len(*notes) != 1 || !strings.Contains((*notes)[0], "large has holes of 3 GB") {
		t.Errorf("notes %q", *notes)
	}
}

// Who may not list a directory hears of it, by name, unless it is excluded.
func TestUnreadableDir(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := t.TempDir()
	shut := filepath.Join(dir, "shut")
	if err := os.Mkdir(shut, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(shut, 0o700) })
	root, _ := openTree(t, dir)
	if _, err := list(root, &fsutil.FilterOpt{}, nil); !errors.Is(err, fs.ErrPermission) ||
		!strings.Contains(err.Error(), shut+": permission denied: let it be read, or exclude it") {
		t.Errorf("got %v", err)
	}
	if _, err := list(root, &fsutil.FilterOpt{ExcludePatterns: []string{"shut"}}, nil); err != nil {
		t.Error(err)
	}
}

func TestNewTree(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "file"), "")
	for _, name := range []string{"file", "nope"} {
		if _, err := newTree(filepath.Join(dir, name), nil); err == nil {
			t.Errorf("%s is no directory", name)
		}
	}
}

func TestNotes(t *testing.T) {
	var out strings.Builder
	h := newTalker(&out)
	h.note("one")
	h.note("one")
	for i := range 50 {
		h.note(fmt.Sprint("n", i))
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if lines[0] != `{"note":"one"}` || !strings.Contains(lines[len(lines)-1], "more such files") ||
		len(lines) != maxNotes+1 || slices.Contains(lines[1:], lines[0]) {
		t.Errorf("got %d lines: %q", len(lines), lines)
	}
}

func TestRedact(t *testing.T) {
	for given, want := range map[string]string{
		"http://u:p@h:1/x":  "http://xxxxx@h:1/x",
		"u:p@h:1":           "xxxxx@h:1",
		"http://h:1":        "http://h:1",
		"http://h/a@b":      "http://h/a@b",
		"http://u:p@@h/":    "http://xxxxx@h/",
		"":                  "",
		"localhost,.corp/@": "localhost,.corp/@",
	} {
		if got := redactURL(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
	args := func() map[string]string {
		return map[string]string{"build-arg:http_Proxy": "u:p@h", "build-arg:URL": "http://u:p@h",
			"http_proxy": "u:p@h"}
	}
	p := &types.ProvenancePredicateSLSA02{}
	p.Invocation.Parameters.Args = args()
	p.Invocation.Parameters.Root = &types.RequestProvenance{Request: &types.Parameters{Args: args()}}
	p.Invocation.Parameters.Inputs = map[string]*types.RequestProvenance{
		"none": nil, "one": {Request: &types.Parameters{Args: args()}}}
	env := &pb.ProxyEnv{HttpProxy: "u:p@h", HttpsProxy: "h", AllProxy: "u@h"}
	p.BuildConfig = &types.BuildConfig{Definition: []types.BuildStep{{}, {Op: &pb.Op{
		Op: &pb.Op_Exec{Exec: &pb.ExecOp{Meta: &pb.Meta{ProxyEnv: env}}}}}}}
	redact(p)
	for _, got := range []map[string]string{p.Invocation.Parameters.Args,
		p.Invocation.Parameters.Root.Request.Args,
		p.Invocation.Parameters.Inputs["one"].Request.Args} {
		if got["build-arg:http_Proxy"] != "xxxxx@h" || got["build-arg:URL"] != "http://u:p@h" ||
			got["http_proxy"] != "u:p@h" {
			t.Errorf("got %q", got)
		}
	}
	if env.HttpProxy != "xxxxx@h" || env.HttpsProxy != "h" || env.AllProxy != "xxxxx@h" {
		t.Errorf("got %v", env)
	}
}
