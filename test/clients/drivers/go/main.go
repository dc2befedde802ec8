// Cases come as lines of JSON on standard input, answers go as lines of JSON to standard output; see ../../README.md.
package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"sheaf.local/sheaf"
	apiv1 "sheaf.local/sheaf/api/v1"
)

// step has what any operation needs.
type step struct {
	ID, Target                                                        int
	Op, Address, Method, Pipeline, Job, File, Repo, Branch, Ref, Path string
	Folder, Under                                                     string
	Named                                                             map[string]string
	RequestID                                                         string `json:"request_id"`
	Request                                                           json.RawMessage
	Timeout, Unreachable                                              float64
	Progress                                                          bool
}

type object = map[string]any

var (
	lock    sync.Mutex
	clients = map[string]*sheaf.Client{}
	running sync.Map
)

func say(words object) {
	lock.Lock()
	defer lock.Unlock()
	text, _ := json.Marshal(words)
	_, _ = os.Stdout.Write(append(text, '\n'))
}

func call(ctx context.Context, c *sheaf.Client, s step) (any, error) {
	service, method, _ := strings.Cut(s.Method, ".")
	name := "sheaf.api.v1." + strings.ToUpper(service[:1]) + service[1:] + "Service"
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	desc := found.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(method))
	request, answer := newMessage(desc.Input()), newMessage(desc.Output())
	if len(s.Request) > 0 {
		if err := protojson.Unmarshal(s.Request, request); err != nil {
			return nil, err
		}
	}
	if err := c.Conn().Invoke(ctx, "/"+name+"/"+method, request, answer); err != nil {
		return nil, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(answer)
	return json.RawMessage(text), err
}

func newMessage(desc protoreflect.MessageDescriptor) proto.Message {
	found, _ := protoregistry.GlobalTypes.FindMessageByName(desc.FullName())
	return found.New().Interface()
}

func counts(job *apiv1.Job) object {
	return object{"state": job.GetState().String(), "total": job.GetDataTotal(), "done": job.GetDataProcessed(), "failed": job.GetDataFailed()}
}

func do(ctx context.Context, c *sheaf.Client, s step, tell func(any)) (any, error) {
	options := sheaf.WatchOptions{FirstJob: 30 * time.Second, Timeout: seconds(s.Timeout), Unreachable: seconds(s.Unreachable)}
	switch s.Op {
	case "call":
		return call(ctx, c, s)
	case "submit":
		spec, err := sheaf.ReadSpec(s.File)
		if err != nil {
			return nil, err
		}
		made, err := c.Submit(ctx, spec)
		return made.GetName(), err
	case "run":
		job, err := c.Run(ctx, s.Pipeline, s.RequestID)
		return job.GetId(), err
	case "put":
		options := sheaf.PutOptions{Under: s.Under, RequestID: s.RequestID}
		if s.Named != nil {
			var files []sheaf.LocalFile
			for path, source := range s.Named {
				files = append(files, sheaf.LocalFile{Path: path, Source: source})
			}
			done, err := c.PutFiles(ctx, s.Repo, s.Branch, files, options)
			if err != nil {
				return nil, err
			}
			return object{"files": done.Files}, nil
		}
		if s.Progress {
			options.OnProgress = func(sheaf.PutProgress) { tell("sending") }
		}
		done, err := c.PutFolder(ctx, s.Repo, s.Branch, s.Folder, options)
		if err != nil {
			return nil, err
		}
		return object{"files": done.Files, "bytes": done.Bytes, "links": done.SkippedLinks, "commit": done.Commit.Id, "in_commit": done.Commit.Files}, nil
	case "close":
		return true, errors.Join(c.Close(), c.Close())
	case "get":
		if s.File != "" {
			done, err := c.GetFile(ctx, s.Repo, s.Ref, s.Path, s.File, sheaf.GetOptions{})
			return object{"files": done.Files, "bytes": done.Bytes}, err
		}
		done, err := c.GetFolder(ctx, s.Repo, s.Ref, s.Folder, sheaf.GetOptions{Path: s.Path})
		return object{"files": done.Files, "bytes": done.Bytes}, err
	case "read":
		seen, size := sha256.New(), 0
		err := c.ReadFile(ctx, s.Repo, s.Ref, s.Path, func(piece []byte) error { size += len(piece); seen.Write(piece); return nil })
		return object{"bytes": size, "sha256": hex.EncodeToString(seen.Sum(nil))}, err
	case "watch":
		var last *apiv1.Job
		for job, err := range c.WatchJob(ctx, s.Pipeline, s.Job, options) {
			if err != nil {
				return nil, err
			}
			last = job
			tell(job.State.String())
		}
		return counts(last), nil
	case "wait":
		job, err := c.WaitJob(ctx, s.Pipeline, s.Job, options)
		return counts(job), err
	case "follow":
		lines := 0
		for line, err := range c.FollowLogs(ctx, &apiv1.GetLogsRequest{Pipeline: s.Pipeline, Job: s.Job}, options) {
			if err != nil {
				return nil, err
			}
			lines++
			tell(string(line.Text))
		}
		return lines, nil
	case "datums":
		rows := []any{}
		for datum, err := range c.Datums(ctx, &apiv1.ListDatumsRequest{Pipeline: s.Pipeline}) {
			if err != nil {
				return nil, err
			}
			row := []any{datum.Index, datum.State.String()}
			for _, input := range datum.Inputs {
				row = append(row, input)
			}
			rows = append(rows, row)
		}
		return rows, nil
	case "logs":
		rows := []any{}
		for line, err := range c.Logs(ctx, &apiv1.GetLogsRequest{Pipeline: s.Pipeline}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, []any{line.Datum, string(line.Text)})
		}
		return rows, nil
	}
	return nil, errors.New("no operation " + s.Op)
}

func client(address string) (*sheaf.Client, error) {
	lock.Lock()
	defer lock.Unlock()
	if clients[address] != nil {
		return clients[address], nil
	}
	made, err := sheaf.Connect(address)
	if err == nil {
		clients[address] = made
	}
	return made, err
}

func run(ctx context.Context, s step) {
	c, err := client(s.Address)
	var result any
	if err == nil {
		result, err = do(ctx, c, s, func(event any) { say(object{"id": s.ID, "event": event}) })
	}
	var ours *sheaf.Error
	switch {
	case err == nil:
		say(object{"id": s.ID, "ok": result})
	case errors.As(err, &ours):
		fields := []string{}
		for _, each := range ours.Details {
			fields = append(fields, each.Field)
		}
		say(object{"id": s.ID, "error": object{"code": ours.CodeName(), "reason": ours.Reason, "fields": fields, "message": ours.Message}})
	default:
		say(object{"id": s.ID, "error": object{"code": "NOT_OURS", "reason": "", "fields": []string{}, "message": err.Error()}})
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var asked step
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		if asked.Op == "cancel" {
			cancel, _ := running.Load(asked.Target)
			cancel.(context.CancelFunc)()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		running.Store(asked.ID, cancel)
		go run(ctx, asked)
	}
}

func seconds(value float64) time.Duration { return time.Duration(value * float64(time.Second)) }
