package sheaf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"

	apiv1 "sheaf.local/sheaf/api/v1"
)

// GetOptions of GetFolder and GetFile.
type GetOptions struct {
	// Path is a file or folder of the commit: what is in it comes without its path. Default "/".
	Path string
	// Glob: only paths that match. Default: all.
	Glob string
	// OnProgress is told after each message, about a MiB.
	OnProgress func(GotFolder)
}

// GotFolder is what was written.
type GotFolder struct{ Files, Bytes int64 }

// GetFolder writes the files of a commit (ref: a branch, or the id of a commit) under a folder, and nowhere else. The folder is made
// when it is missing; files that are there are replaced. DATA_LOSS when bytes came that are not what was stored.
func (c *Client) GetFolder(ctx context.Context, repo, ref, folder string, options GetOptions) (GotFolder, error) {
	path := first(options.Path, "/")
	request := &apiv1.GetFilesRequest{Commit: &apiv1.CommitRef{Repo: repo, Ref: ref}, Path: path, Glob: options.Glob}
	inside := strings.TrimSuffix(path, "/") + "/"
	// A file comes under its own name, what is in a folder without its path.
	local := func(found string) string {
		if below, is := strings.CutPrefix(found, inside); is {
			return below
		}
		return found[strings.LastIndex(found, "/")+1:]
	}
	return c.receive(ctx, request, folder, local, options, c.steps)
}

// GetFile writes one file of a commit as the local file target. INVALID_ARGUMENT when path is a folder.
func (c *Client) GetFile(ctx context.Context, repo, ref, path, target string, options GetOptions) (GotFolder, error) {
	request := &apiv1.GetFilesRequest{Commit: &apiv1.CommitRef{Repo: repo, Ref: ref}, Path: path}
	folder, name := filepath.Split(target)
	switch name {
	case "", ".", "..":
		return GotFolder{}, cannotWrite(syscall.EISDIR, target)
	}
	return c.receive(ctx, request, first(folder, "."), func(string) string { return name }, options, c.oneFile)
}

// ReadFile gives the bytes of one file of a commit, piece by piece. INVALID_ARGUMENT when path is a folder, DATA_LOSS when they are not what was stored.
func (c *Client) ReadFile(ctx context.Context, repo, ref, path string, take func([]byte) error) error {
	var seen hash.Hash
	request := &apiv1.GetFilesRequest{Commit: &apiv1.CommitRef{Repo: repo, Ref: ref}, Path: path}
	err := c.oneFile(ctx, request, func(answer *apiv1.GetFilesResponse) error {
		switch message := answer.Message.(type) {
		case *apiv1.GetFilesResponse_Batch:
			for _, file := range message.Batch.Files {
				if err := take(file.Content); err != nil {
					return err
				}
			}
		case *apiv1.GetFilesResponse_Begin:
			seen = sha256.New()
		case *apiv1.GetFilesResponse_Chunk:
			seen.Write(message.Chunk)
			return take(message.Chunk)
		case *apiv1.GetFilesResponse_End:
			ended := seen
			seen = nil
			return requireHash(path, ended, message.End.Sha256)
		}
		return nil
	})
	if err == nil && seen != nil {
		return brokenOff(path)
	}
	return err
}

func (c *Client) receive(ctx context.Context, request *apiv1.GetFilesRequest, folder string, local func(string) string, options GetOptions, steps steps) (GotFolder, error) {
	w := &writer{folder: folder, local: local, made: map[string]bool{}}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return w.written, cannotWrite(err, folder)
	}
	err := steps(ctx, request, func(answer *apiv1.GetFilesResponse) error {
		err := w.take(answer)
		if err == nil && options.OnProgress != nil {
			options.OnProgress(w.written)
		}
		return err
	})
	if w.big != nil {
		path := w.big.path
		w.big.discard()
		if err == nil {
			err = brokenOff(path)
		}
	}
	return w.written, err
}

type steps func(context.Context, *apiv1.GetFilesRequest, func(*apiv1.GetFilesResponse) error) error

// oneFile refuses what is in a folder: it has another path than the folder.
func (c *Client) oneFile(ctx context.Context, request *apiv1.GetFilesRequest, take func(*apiv1.GetFilesResponse) error) error {
	notOne := newError(codes.InvalidArgument, "NOT_A_FILE",
		"%s is a folder of the commit: name a file, or get the folder", shown(request.Path))
	path, hasCome := strings.TrimRight(request.Path, "/"), false
	isOther := func(found string) bool {
		hasCome = true
		return found != path
	}
	err := c.steps(ctx, request, func(answer *apiv1.GetFilesResponse) error {
		begun := answer.GetBegin()
		isFile := func(file *apiv1.WholeFile) bool { return isOther(file.Path) }
		if begun != nil && isOther(begun.Path) || slices.ContainsFunc(answer.GetBatch().GetFiles(), isFile) {
			return notOne
		}
		return take(answer)
	})
	if err == nil && !hasCome {
		return notOne
	}
	return err
}

func (c *Client) steps(ctx context.Context, request *apiv1.GetFilesRequest, take func(*apiv1.GetFilesResponse) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.File.GetFiles(ctx, request)
	for err == nil {
		var answer *apiv1.GetFilesResponse
		if answer, err = stream.Recv(); err == nil {
			err = take(answer)
		} else if isEnd(err) {
			return nil
		}
	}
	return err
}

type writer struct {
	folder  string
	local   func(string) string
	made    map[string]bool // folders that are known to be real ones
	big     *bigFile
	written GotFolder
}

// bigFile comes in pieces.
type bigFile struct {
	path, target string
	file         *os.File
	seen         hash.Hash
	bytes        int64
}

func (b *bigFile) discard() { removeOpen(b.file, b.target) }

// removeOpen: half a file is none. What is no file, like a device, was there before, and stays.
func removeOpen(file *os.File, target string) {
	found, err := file.Stat()
	_ = file.Close()
	if err == nil && found.Mode().IsRegular() {
		_ = os.Remove(target)
	}
}

func (w *writer) take(answer *apiv1.GetFilesResponse) error {
	switch message := answer.Message.(type) {
	case *apiv1.GetFilesResponse_Batch:
		for _, file := range message.Batch.Files {
			if err := w.whole(file); err != nil {
				return err
			}
		}
	case *apiv1.GetFilesResponse_Begin:
		file, target, err := w.open(message.Begin.Path, message.Begin.Executable)
		if err != nil {
			return err
		}
		w.big = &bigFile{message.Begin.Path, target, file, sha256.New(), 0}
	case *apiv1.GetFilesResponse_Chunk:
		w.big.seen.Write(message.Chunk)
		w.big.bytes += int64(len(message.Chunk))
		if _, err := w.big.file.Write(message.Chunk); err != nil {
			return cannotWrite(err, w.big.target)
		}
	case *apiv1.GetFilesResponse_End:
		if err := requireHash(w.big.path, w.big.seen, message.End.Sha256); err != nil {
			return err
		}
		ended := w.big
		w.big = nil
		w.written.Files++
		w.written.Bytes += ended.bytes
		if err := ended.file.Close(); err != nil {
			return cannotWrite(err, ended.target)
		}
	}
	return nil
}

func (w *writer) whole(whole *apiv1.WholeFile) error {
	file, target, err := w.open(whole.Path, whole.Executable)
	if err != nil {
		return err
	}
	if _, err := file.Write(whole.Content); err != nil {
		removeOpen(file, target)
		return cannotWrite(err, target)
	}
	if err := file.Close(); err != nil {
		return cannotWrite(err, target)
	}
	w.written.Files++
	w.written.Bytes += int64(len(whole.Content))
	return nil
}

func (w *writer) open(path string, executable bool) (*os.File, string, error) {
	target, err := w.place(path)
	if err != nil {
		return nil, "", err
	}
	mode := fs.FileMode(0o644)
	if executable {
		mode = 0o755
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, mode)
	if err != nil {
		return nil, "", cannotWrite(err, target)
	}
	// A pipe would take no more than it has room for.
	found, err := file.Stat()
	if err == nil && found.Mode()&fs.ModeNamedPipe != 0 {
		err = syscall.ENXIO
	}
	if err != nil {
		_ = file.Close()
		return nil, "", cannotWrite(err, target)
	}
	return file, target, nil
}

func (w *writer) place(path string) (string, error) {
	parts := strings.Split(w.local(path), "/")
	for _, part := range parts {
		if part == "" || part == "." || part == ".." || strings.Contains(part, "\x00") {
			return "", newError(codes.DataLoss, "PATH_INVALID", "the commit has a path that cannot be a file: %s", shown(path))
		}
	}
	folder := w.folder
	for _, part := range parts[:len(parts)-1] {
		folder = filepath.Join(folder, part)
		if w.made[folder] {
			continue
		}
		if err := makeFolder(folder); err != nil {
			return "", err
		}
		w.made[folder] = true
	}
	return filepath.Join(folder, parts[len(parts)-1]), nil
}

func makeFolder(folder string) error {
	if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return cannotWrite(err, folder)
	}
	found, err := os.Lstat(folder)
	switch {
	case err != nil:
		return cannotWrite(err, folder)
	case found.Mode()&fs.ModeSymlink != 0:
		return newError(codes.FailedPrecondition, "FOLDER_IS_A_LINK", "%s is a link: nothing is written through it", shown(folder))
	case !found.IsDir():
		return cannotWrite(syscall.EEXIST, folder)
	}
	return nil
}

func requireHash(path string, seen hash.Hash, sha256 []byte) error {
	if bytes.Equal(seen.Sum(nil), sha256) {
		return nil
	}
	return newError(codes.DataLoss, "CHECKSUM_MISMATCH", "the bytes of %s that came are not those that were stored: get it again", shown(path))
}

func brokenOff(path string) error {
	return newError(codes.DataLoss, "FILE_BROKEN_OFF", "the stream ended before the end of %s: get it again", shown(path))
}

var reasons = map[syscall.Errno]string{
	syscall.EACCES: "permission denied", syscall.EPERM: "permission denied", syscall.ELOOP: "it is a link",
	syscall.EISDIR: "it is a folder", syscall.ENOTDIR: "a part of its path is a file", syscall.EEXIST: "it is a file",
	syscall.ENXIO: "it is a pipe", syscall.ENOSPC: "the disk is full", syscall.EDQUOT: "the disk quota is reached",
	syscall.EROFS: "the file system is read-only", syscall.ENAMETOOLONG: "the name is too long for this file system",
}

func cannotWrite(err error, target string) error {
	why := err.Error()
	var number syscall.Errno
	if errors.As(err, &number) && reasons[number] != "" {
		why = reasons[number]
	}
	return newError(codes.FailedPrecondition, "FILE_NOT_WRITABLE", "cannot write %s: %s", shown(target), why)
}
