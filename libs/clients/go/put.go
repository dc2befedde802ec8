package sheaf

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"google.golang.org/grpc/codes"

	apiv1 "sheaf.local/sheaf/api/v1"
)

const (
	batchBytesMax = 1 << 20
	smallBytesMax = 256 << 10
	// What a file takes in a message beyond its content and its path.
	entryBytes = 32
)

// LocalFile is a file of this machine, or its bytes, and where it goes.
type LocalFile struct {
	// Path below the options' Under, divided by "/"; a "/" before it changes nothing.
	Path string
	// Source is where it is; empty: Content has its bytes.
	Source  string
	Content []byte
}

// PutOptions of PutFolder and PutFiles.
type PutOptions struct {
	// Under is a folder of the repo. Default "/".
	Under string
	// Description of the commit.
	Description string
	// RequestID of the caller's own: the same id gives the same commit for 24 h. Default: a new one.
	RequestID string
	// Filter says whether a file is put, by its path below the folder. Default: all.
	Filter func(path string) bool
	// OnProgress is told after each message, about a MiB.
	OnProgress func(PutProgress)
}

// PutProgress is how far it is.
type PutProgress struct{ Files, Bytes int64 }

// PutResult is what was put.
type PutResult struct {
	PutProgress
	Commit *apiv1.Commit
	// SkippedLinks were not followed; SkippedSpecial are pipes, sockets and devices.
	SkippedLinks, SkippedSpecial int
}

// PutFolder puts the regular files under a folder as one commit on repo@branch, at the same paths. Links are not followed. A file that
// cannot be read is named by the error, and nothing is committed.
func (c *Client) PutFolder(ctx context.Context, repo, branch, folder string, options PutOptions) (*PutResult, error) {
	return c.put(ctx, repo, branch, options, func(result *PutResult) iter.Seq2[LocalFile, error] {
		return func(yield func(LocalFile, error) bool) {
			found, err := os.Stat(folder)
			if err == nil && !found.IsDir() {
				yield(LocalFile{}, newError(codes.InvalidArgument, "NOT_A_FOLDER", "%s is not a folder", shown(folder)))
				return
			}
			if err != nil {
				yield(LocalFile{}, cannotRead(err, folder))
				return
			}
			walk(folder, "", result, func(file LocalFile, err error) bool {
				return err == nil && options.Filter != nil && !options.Filter(file.Path) || yield(file, err)
			})
		}
	})
}

// PutFiles does the same for files that are named one by one.
func (c *Client) PutFiles(ctx context.Context, repo, branch string, files []LocalFile, options PutOptions) (*PutResult, error) {
	return c.put(ctx, repo, branch, options, func(*PutResult) iter.Seq2[LocalFile, error] {
		return func(yield func(LocalFile, error) bool) {
			for _, file := range files {
				if !yield(file, nil) {
					return
				}
			}
		}
	})
}

// put calls list again when all has to be sent again.
func (c *Client) put(ctx context.Context, repo, branch string, options PutOptions, list func(*PutResult) iter.Seq2[LocalFile, error]) (*PutResult, error) {
	open := &apiv1.ModifyFilesOpen{
		Repo: repo, Branch: branch, Description: options.Description, RequestId: first(options.RequestID, newID()),
	}
	transient := func(err error) bool { // ABORTED: somebody else changed the branch meanwhile
		code, _ := codeOf(err)
		return code == codes.Unavailable || code == codes.Aborted
	}
	return sendAgain(ctx, transient, func() (*PutResult, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a stream without its finish changes nothing
		stream, err := c.File.ModifyFiles(ctx)
		if err != nil {
			return nil, err
		}
		p := putting{stream: stream, options: options, result: &PutResult{}}
		if err := p.all(open, list(p.result)); err != nil && !isEnd(err) {
			return nil, err
		}
		answer, err := stream.CloseAndRecv()
		p.result.Commit = answer.GetCommit()
		return p.result, err
	})
}

// putting holds one message, about a MiB.
type putting struct {
	stream  apiv1.FileService_ModifyFilesClient
	options PutOptions
	result  *PutResult
	batch   []*apiv1.WholeFile
	weight  int
}

// all ends with io.EOF when the server has answered already: then the answer says why.
func (p *putting) all(open *apiv1.ModifyFilesOpen, files iter.Seq2[LocalFile, error]) error {
	if err := p.stream.Send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_Open{Open: open}}); err != nil {
		return err
	}
	for file, err := range files {
		if err == nil {
			err = p.file(file)
		}
		if err != nil {
			return err
		}
	}
	if err := p.flush(); err != nil {
		return err
	}
	return p.stream.Send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_Finish{Finish: &apiv1.ModifyFilesFinish{}}})
}

func (p *putting) file(file LocalFile) error {
	path := strings.TrimSuffix(first(p.options.Under, "/"), "/") + "/" + strings.TrimPrefix(file.Path, "/")
	content, big, executable := file.Content, io.ReadCloser(nil), false
	if file.Source != "" {
		var err error
		if content, big, executable, err = openLocal(file.Source); err != nil {
			return err
		}
	} else if len(content) > smallBytesMax {
		big = io.NopCloser(strings.NewReader(string(content)))
	}
	p.result.Files++
	if big != nil {
		defer big.Close()
		if err := p.flush(); err != nil {
			return err
		}
		return p.big(path, file.Source, executable, big)
	}
	more := len(content) + len(path) + entryBytes
	if p.weight+more > batchBytesMax {
		if err := p.flush(); err != nil {
			return err
		}
	}
	p.batch = append(p.batch, &apiv1.WholeFile{Path: path, Content: content, Executable: executable})
	p.weight += more
	p.result.Bytes += int64(len(content))
	return nil
}

func (p *putting) flush() error {
	if len(p.batch) == 0 {
		return nil
	}
	batch := &apiv1.FileBatch{Files: p.batch}
	p.batch, p.weight = nil, 0
	return p.send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_Batch{Batch: batch}})
}

// big goes to the end of the file as it is found, also when it grows meanwhile.
func (p *putting) big(path, source string, executable bool, content io.Reader) error {
	begin := &apiv1.FileBegin{Path: path, Executable: executable}
	if err := p.stream.Send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_Begin{Begin: begin}}); err != nil {
		return err
	}
	seen, piece := sha256.New(), make([]byte, batchBytesMax)
	for {
		got, err := io.ReadFull(content, piece)
		if got > 0 {
			seen.Write(piece[:got])
			p.result.Bytes += int64(got)
			// Send has serialised the piece when it returns.
			if err := p.send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_Chunk{Chunk: piece[:got]}}); err != nil {
				return err
			}
		}
		if isEnd(err) || errors.Is(err, io.ErrUnexpectedEOF) {
			end := &apiv1.FileEnd{Sha256: seen.Sum(nil)}
			return p.stream.Send(&apiv1.ModifyFilesRequest{Message: &apiv1.ModifyFilesRequest_End{End: end}})
		}
		if err != nil {
			return cannotRead(err, source)
		}
	}
}

func (p *putting) send(message *apiv1.ModifyFilesRequest) error {
	err := p.stream.Send(message)
	if err == nil && p.options.OnProgress != nil {
		p.options.OnProgress(p.result.PutProgress)
	}
	return err
}

// openLocal opens what was a regular file when it was listed: a link or a pipe that took its place meanwhile is refused.
func openLocal(source string) (content []byte, big io.ReadCloser, executable bool, err error) {
	file, err := os.OpenFile(source, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, false, cannotRead(err, source)
	}
	found, err := file.Stat()
	if err == nil && !found.Mode().IsRegular() {
		err = unreadable(source, "it is not a regular file")
	}
	if err == nil && (found.Size() > smallBytesMax || found.Size() == 0 && hasBytes(file)) {
		return nil, file, found.Mode()&0o111 != 0, nil
	}
	defer file.Close()
	if err != nil {
		return nil, nil, false, cannotRead(err, source)
	}
	content = make([]byte, found.Size())
	got, err := io.ReadFull(file, content)
	if err != nil && !isEnd(err) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, false, cannotRead(err, source)
	}
	return content[:got], nil, found.Mode()&0o111 != 0, nil
}

// hasBytes: files that are made as they are read, like those of /proc, say that their size is 0.
func hasBytes(file *os.File) bool {
	got, _ := file.ReadAt(make([]byte, 1), 0)
	return got > 0
}

// walk gives files in the order of their names, folder by folder.
func walk(folder, path string, result *PutResult, yield func(LocalFile, error) bool) bool {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return yield(LocalFile{}, cannotRead(err, folder))
	}
	var inside []fs.DirEntry
	for _, entry := range entries {
		name := entry.Name()
		if !utf8.ValidString(name) {
			return yield(LocalFile{}, newError(codes.InvalidArgument, "FILE_NAME_NOT_UNICODE",
				"the name of %s is not valid UTF-8: rename it, or leave it out; nothing was committed", shown(filepath.Join(folder, name))))
		}
		switch {
		case entry.Type()&fs.ModeSymlink != 0:
			result.SkippedLinks++
		case entry.IsDir():
			inside = append(inside, entry)
		case entry.Type().IsRegular():
			if !yield(LocalFile{Path: path + name, Source: filepath.Join(folder, name)}, nil) {
				return false
			}
		default:
			result.SkippedSpecial++
		}
	}
	return !slices.ContainsFunc(inside, func(entry fs.DirEntry) bool {
		return !walk(filepath.Join(folder, entry.Name()), path+entry.Name()+"/", result, yield)
	})
}

func cannotRead(err error, path string) error {
	var ours *Error
	switch {
	case errors.As(err, &ours):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return newError(codes.NotFound, "FILE_NOT_FOUND", "there is no file or folder %s", shown(path))
	case errors.Is(err, fs.ErrPermission):
		return unreadable(path, "permission denied")
	case errors.Is(err, syscall.ELOOP):
		return unreadable(path, "it is a link")
	}
	return newError(codes.FailedPrecondition, "FILE_UNREADABLE", "cannot read %s: %v", shown(path), err)
}

func unreadable(path, why string) error {
	return newError(codes.PermissionDenied, "FILE_UNREADABLE",
		"cannot read %s: %s; nothing was committed. Make it readable or leave it out", shown(path), why)
}
