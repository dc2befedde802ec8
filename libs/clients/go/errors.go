package sheaf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const domain = "sheaf"

// FieldViolation is one thing that is wrong with one field of a request or a file.
type FieldViolation struct {
	Field, Description string
}

// Error is what every method fails with.
type Error struct {
	// Code is one of gRPC's.
	Code codes.Code
	// Reason is for programs, and never changes its spelling.
	Reason string
	// Message is for people.
	Message string
	Details []FieldViolation
	// RetryDelay is how long to wait at least before another try; 0 when the server does not say.
	RetryDelay time.Duration
	Metadata   map[string]string
}

func (e *Error) Error() string { return e.Message }

// CodeName is the code in the spelling of the contract: "NOT_FOUND".
func (e *Error) CodeName() string {
	if int(e.Code) < len(codeNames) {
		return codeNames[e.Code]
	}
	return "UNKNOWN"
}

// GRPCStatus lets status.FromError read it.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

var codeNames = [...]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
	"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE",
	"DATA_LOSS", "UNAUTHENTICATED",
}

func newError(code codes.Code, reason, format string, values ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, values...)}
}

// fromRPC is the one door for errors of gRPC. What broke on the way is UNAVAILABLE and names the address; what a service said keeps
// its words.
func fromRPC(ctx context.Context, err error, address string) error {
	var ours *Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	if ctx.Err() != nil {
		return fromContext(ctx)
	}
	said := status.Convert(err)
	result := &Error{Code: said.Code(), Reason: codeNames[min(int(said.Code()), len(codeNames)-1)], Message: said.Message()}
	isOurs := false
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if isOurs = detail.Domain == domain; isOurs {
				result.Reason, result.Metadata = detail.Reason, detail.Metadata
			}
		case *errdetails.BadRequest:
			for _, each := range detail.FieldViolations {
				result.Details = append(result.Details, FieldViolation{each.Field, each.Description})
			}
		case *errdetails.RetryInfo:
			result.RetryDelay = detail.RetryDelay.AsDuration()
		}
	}
	if !isOurs && said.Code() == codes.Canceled && strings.Contains(said.Message(), "connection is closing") {
		return newError(codes.Canceled, "CALLED_OFF", "called off: the client is closed")
	}
	if !isOurs && isBroken(said) {
		result = newError(codes.Unavailable, "UNREACHABLE",
			"cannot reach %s (%s); check that the service runs and that the address is right", address, said.Message())
		result.Metadata = map[string]string{"address": address}
	}
	if !isOurs && said.Code() == codes.ResourceExhausted && strings.Contains(said.Message(), "ENHANCE_YOUR_CALM") {
		result = newError(said.Code(), "NOT_READ", "%s ended the call: its answers were not read", address)
	}
	if !isOurs && said.Code() == codes.DeadlineExceeded {
		result.Message = fmt.Sprintf("no answer from %s in the time given for the call", address)
	}
	return result
}

// fromContext is what the caller's own end of a call reads like.
func fromContext(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return newError(codes.DeadlineExceeded, "DEADLINE_EXCEEDED", "the time given for it is over")
	}
	return newError(codes.Canceled, "CALLED_OFF", "called off")
}

// isBroken tells whether the connection failed, and not the call.
func isBroken(said *status.Status) bool {
	switch said.Code() {
	case codes.Unavailable, codes.Canceled:
		return true
	case codes.Internal:
		return strings.Contains(said.Message(), "RST_STREAM") || strings.Contains(said.Message(), "transport")
	}
	return false
}

func codeOf(err error) (codes.Code, string) {
	var ours *Error
	if errors.As(err, &ours) {
		return ours.Code, ours.Reason
	}
	return codes.Unknown, ""
}

// isUnreachable: nobody answered, or the one who did is going away.
func isUnreachable(err error) bool {
	code, _ := codeOf(err)
	return code == codes.Unavailable
}

// isNotRead: this client was cut because it was busy and took no message for a minute: that is no silence of the cluster.
func isNotRead(err error) bool {
	_, reason := codeOf(err)
	return reason == "NOT_READ"
}
