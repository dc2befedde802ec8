package sheaf

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	apiv1 "sheaf.local/sheaf/api/v1"
)

const (
	messageBytesMax = 4 << 20
	unaryTimeout    = 30 * time.Second
	// For how long nobody may answer before what goes on by itself gives up. A master is replaced in less.
	unreachableTime = 60 * time.Second
)

// Client is a cluster as its users see it. It may be used by many goroutines. The services of the contract are its fields, call by
// call; a unary call whose context has no deadline gets 30 s.
type Client struct {
	// Address is "host:port".
	Address  string
	Repo     apiv1.RepoServiceClient
	File     apiv1.FileServiceClient
	Pipeline apiv1.PipelineServiceClient
	Job      apiv1.JobServiceClient
	Datum    apiv1.DatumServiceClient
	Cluster  apiv1.ClusterServiceClient

	conn *grpc.ClientConn
}

// Options of Connect. What is not set is read from the environment.
type Options struct {
	// Token is sent as a bearer token. Default: SHEAF_TOKEN.
	Token string
	// CAFile has the authority of the cluster. Default: SHEAF_CA; without, TLS goes by what the machine trusts.
	CAFile string
}

// Connect makes a client of the cluster at an address ("host:port", "https://host:port"; "": SHEAF_ADDRESS). It connects with the first
// call. TLS is spoken when the address begins with https://, or when there is a CA file and it does not begin with http://.
// INVALID_ARGUMENT when there is no address, or when it is none, or a token would be sent in plain text to another machine.
func Connect(address string, options ...Options) (*Client, error) {
	var given Options
	if len(options) > 0 {
		given = options[0]
	}
	name := "address"
	if address == "" {
		name, address = "SHEAF_ADDRESS", os.Getenv("SHEAF_ADDRESS")
	}
	if address == "" {
		return nil, newError(codes.InvalidArgument, "NO_ADDRESS", "no cluster is named: set SHEAF_ADDRESS, or give an address to Connect")
	}
	found := addressForm.FindStringSubmatch(address)
	if found == nil || !isPort(found[4]) {
		const wrong = "is not an address: use host:port, like 127.0.0.1:7070 or [::1]:7070"
		err := newError(codes.InvalidArgument, "ADDRESS_INVALID", "%s %s %s", name, shown(address), wrong)
		err.Details = []FieldViolation{{name, wrong}}
		return nil, err
	}
	scheme, target, host := found[1], found[2], found[3]
	caFile := first(given.CAFile, os.Getenv("SHEAF_CA"))
	token := strings.TrimSpace(first(given.Token, os.Getenv("SHEAF_TOKEN"))) // it may come from a file, with the end of its line
	if !tokenForm.MatchString(token) {
		return nil, newError(codes.InvalidArgument, "TOKEN_INVALID", "the token has characters that none has")
	}
	isSecure := scheme == "https" || scheme == "" && caFile != ""
	if token != "" && !isSecure && !loopbackForm.MatchString(host) {
		return nil, newError(codes.InvalidArgument, "TOKEN_IN_PLAIN_TEXT",
			"a token is not sent to %s in plain text: give the address as https://%s, and the CA file in SHEAF_CA", target, target)
	}
	secrecy := insecure.NewCredentials()
	if isSecure && caFile == "" {
		secrecy = credentials.NewTLS(nil) // the authorities that the machine trusts
	} else if isSecure {
		tls, err := credentials.NewClientTLSFromFile(caFile, "")
		if err != nil {
			return nil, newError(codes.InvalidArgument, "CA_UNREADABLE", "the CA file %s cannot be read: %v", shown(caFile), err)
		}
		secrecy = tls
	}
	return connect(target, token, secrecy)
}

func connect(address, token string, secrecy credentials.TransportCredentials) (*Client, error) {
	wait := backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second}
	door := door{address, token}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(secrecy),
		grpc.WithDefaultServiceConfig(serviceConfig()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageBytesMax), grpc.MaxCallSendMsgSize(messageBytesMax)),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: wait, MinConnectTimeout: 5 * time.Second}),
		// A peer that went away without a word is noticed; the server's own signs of life reach applications only.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithUnaryInterceptor(door.unary), grpc.WithStreamInterceptor(door.stream),
		grpc.WithNoProxy())
	if err != nil {
		return nil, newError(codes.InvalidArgument, "ADDRESS_INVALID", "address %s: %v", shown(address), err)
	}
	return &Client{
		Address: address, conn: conn,
		Repo: apiv1.NewRepoServiceClient(conn), File: apiv1.NewFileServiceClient(conn),
		Pipeline: apiv1.NewPipelineServiceClient(conn), Job: apiv1.NewJobServiceClient(conn),
		Datum: apiv1.NewDatumServiceClient(conn), Cluster: apiv1.NewClusterServiceClient(conn),
	}, nil
}

// Close ends open calls, and all that come after, with CANCELLED. Twice is harmless.
func (c *Client) Close() error {
	_ = c.conn.Close() // all that it can say is that it was closed before
	return nil
}

// Conn is the connection, for stubs of one's own.
func (c *Client) Conn() *grpc.ClientConn { return c.conn }

// door is what every call passes: the token goes in, errors of one type come out.
type door struct{ address, token string }

func (d door) unary(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	call := ctx
	if _, has := ctx.Deadline(); !has {
		limited, cancel := context.WithTimeout(ctx, unaryTimeout)
		defer cancel()
		call = limited
	}
	return fromRPC(ctx, invoke(d.with(call), method, request, answer, conn, options...), d.address)
}

func (d door) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	stream, err := open(d.with(ctx), desc, conn, method, options...)
	if err != nil {
		return nil, fromRPC(ctx, err, d.address)
	}
	return &doorStream{stream, ctx, d.address}, nil
}

func (d door) with(ctx context.Context) context.Context {
	if d.token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+d.token)
}

// doorStream leaves io.EOF as it is: it is the end, and no error.
type doorStream struct {
	grpc.ClientStream
	ctx     context.Context
	address string
}

func (s *doorStream) RecvMsg(message any) error { return s.through(s.ClientStream.RecvMsg(message)) }
func (s *doorStream) SendMsg(message any) error { return s.through(s.ClientStream.SendMsg(message)) }

func (s *doorStream) through(err error) error {
	if isEnd(err) {
		return err
	}
	return fromRPC(s.ctx, err, s.address)
}

// serviceConfig: calls that change nothing are made again while nobody answers, for about 5 s.
func serviceConfig() string {
	var reads []map[string]string
	for _, file := range []protoreflect.FileDescriptor{
		apiv1.File_sheaf_api_v1_repo_service_proto, apiv1.File_sheaf_api_v1_file_service_proto,
		apiv1.File_sheaf_api_v1_pipeline_service_proto, apiv1.File_sheaf_api_v1_job_service_proto,
		apiv1.File_sheaf_api_v1_datum_service_proto, apiv1.File_sheaf_api_v1_cluster_service_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				method := service.Methods().Get(j)
				options := method.Options().(*descriptorpb.MethodOptions)
				if options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS {
					reads = append(reads, map[string]string{"service": string(service.FullName()), "method": string(method.Name())})
				}
			}
		}
	}
	text, _ := json.Marshal(map[string]any{"methodConfig": []any{map[string]any{
		"name": reads,
		"retryPolicy": map[string]any{
			"maxAttempts": 5, "initialBackoff": "0.1s", "maxBackoff": "2s", "backoffMultiplier": 3,
			"retryableStatusCodes": []string{"UNAVAILABLE"},
		},
	}}})
	return string(text)
}

var (
	addressForm  = regexp.MustCompile(`^(?:(https?)://)?((\[[0-9a-fA-F:.%\w]+\]|[^\s:/\[\]]+):(\d{1,5}))/?$`)
	loopbackForm = regexp.MustCompile(`^(?:localhost|\[::1\]|127(?:\.\d+){3})$`)
	tokenForm    = regexp.MustCompile(`^[\x21-\x7e]*$`)
)

func isPort(text string) bool {
	port, err := strconv.Atoi(text)
	return err == nil && port <= 65_535
}

func newID() string {
	var bytes [16]byte
	_, _ = rand.Read(bytes[:]) // never fails
	return hex.EncodeToString(bytes[:])
}

func first(values ...string) string {
	for _, value := range values {
		if value != "" {
			return value
		}
	}
	return ""
}

// shown is a text as it may stand in a message.
func shown(text string) string { return strconv.Quote(text) }

func clone[M proto.Message](message M) M { return proto.Clone(message).(M) }
