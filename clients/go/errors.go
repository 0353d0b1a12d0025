package chord

import (
	"context"
	"errors"
	"regexp"
	"time"

	chordv1 "github.com/chord-state/chord/clients/go/gen/chord/v1"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Reason is what went wrong: the server's word, or else the name of gRPC's code. It is an error for errors.Is:
// errors.Is(err, chord.NotFound).
type Reason string

func (r Reason) Error() string { return string(r) }

// The reasons of a server. Without its word it may be any name of gRPC's codes, such as UNIMPLEMENTED.
const (
	NotFound           Reason = "NOT_FOUND"
	AlreadyExists      Reason = "ALREADY_EXISTS"
	Aborted            Reason = "ABORTED"
	InvalidArgument    Reason = "INVALID_ARGUMENT"
	Unauthenticated    Reason = "UNAUTHENTICATED"
	PermissionDenied   Reason = "PERMISSION_DENIED"
	ResourceExhausted  Reason = "RESOURCE_EXHAUSTED"
	FailedPrecondition Reason = "FAILED_PRECONDITION"
	Unavailable        Reason = "UNAVAILABLE"
	DeadlineExceeded   Reason = "DEADLINE_EXCEEDED"
	DataLoss           Reason = "DATA_LOSS"
	Internal           Reason = "INTERNAL"
	Cancelled          Reason = "CANCELLED"
)

// Error is what all calls fail with. errors.Is finds context.Canceled in it where the caller ended the call, and
// context.DeadlineExceeded where its time was over.
type Error struct {
	Reason  Reason
	Message string
	// ContextID is empty where the error names none.
	ContextID string
	// Mismatch is set where a write expected the context elsewhere.
	Mismatch *Mismatch
	// Unmet is set where conditions of a write do not hold; errors.As finds it, too.
	Unmet *UnmetConditions
	// Violations say what is wrong with which field of the request.
	Violations []Violation
	// RetryAfter is how long the server asks to wait before another try; zero: it does not say.
	RetryAfter time.Duration
	// Code is gRPC's.
	Code codes.Code

	// Another try may succeed, and the caller need not know.
	transient bool
	// The network's failure without a doubt: no count of tries makes it final.
	certain bool
	cause   error
	// As it came; nil for errors of the client's own.
	status *status.Status
}

// Mismatch says where a context stands.
type Mismatch struct {
	// Current is nil where the context does not exist.
	Current *Position
}

// Violation is what is wrong with one field of a request.
type Violation struct {
	// Field is the path of the field, as in the .proto.
	Field       string
	Description string
}

func (e *Error) Error() string { return "chord: " + string(e.Reason) + ": " + e.Message }

func (e *Error) Unwrap() error { return e.cause }

// Is tells whether target is e's Reason.
func (e *Error) Is(target error) bool {
	reason, ok := target.(Reason)
	return ok && reason == e.Reason
}

// GRPCStatus is for status.FromError and status.Code of package status: the status as it came, with its details.
func (e *Error) GRPCStatus() *status.Status {
	if e.status != nil {
		return e.status
	}
	return status.New(e.Code, e.Message)
}

// ReasonOf is the reason of an *Error in err's tree, or "".
func ReasonOf(err error) Reason {
	var failed *Error
	if errors.As(err, &failed) {
		return failed.Reason
	}
	return ""
}

// fromStatus decodes what a call failed with. Details that cannot be decoded count as absent.
func fromStatus(st *status.Status) *Error {
	failed := &Error{Reason: Reason(code.Code_name[int32(st.Code())]), Message: st.Message(), Code: st.Code(), status: st}
	if failed.Reason == "" {
		failed.Reason = "UNKNOWN"
	}
	said := false
	mismatchID := ""
	for _, detail := range st.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == "chord" {
				said = true
				failed.Reason = Reason(detail.GetReason())
				failed.ContextID = detail.GetMetadata()["context_id"]
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				failed.Violations = append(failed.Violations, Violation{violation.GetField(), violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			failed.RetryAfter = detail.GetRetryDelay().AsDuration()
		case *chordv1.PositionMismatch:
			mismatchID = detail.GetContextId()
			failed.Mismatch = &Mismatch{}
			if detail.GetCurrent() != nil {
				current := fromPosition(detail.GetCurrent())
				failed.Mismatch.Current = &current
			}
		case *chordv1.UnmetConditions:
			mismatchID = detail.GetContextId()
			failed.Unmet = fromUnmet(detail)
			failed.cause = failed.Unmet
		}
	}
	if failed.ContextID == "" {
		failed.ContextID = mismatchID
	}
	switch failed.Code {
	case codes.Unavailable:
		failed.certain = true
	case codes.ResourceExhausted: // refused for now: it has not happened
		failed.certain = failed.RetryAfter > 0 || !said && endedByTransport.MatchString(failed.Message)
	case codes.Internal:
		failed.certain = !said && endedByTransport.MatchString(failed.Message)
	}
	failed.transient = failed.certain || isTransient(failed.Code, said)
	return failed
}

// endedByTransport: what transports say of a connection that was ended for what other streams did.
var endedByTransport = regexp.MustCompile(`RST_STREAM|GOAWAY|ENHANCE_YOUR_CALM|(?i:bandwidth exhausted)`)

// isTransient: transports report broken connections with more codes than UNAVAILABLE. From the server they are final.
func isTransient(code codes.Code, saidByServer bool) bool {
	switch code {
	case codes.Internal, codes.Unknown, codes.Canceled:
		return !saidByServer
	}
	return false
}

// failure is a call's error as the caller shall see it; ctx is the caller's.
func failure(ctx context.Context, err error) *Error {
	var failed *Error
	if !errors.As(err, &failed) {
		failed = fromStatus(status.Convert(err))
	}
	if ctx.Err() != nil && (failed.Code == codes.Canceled || failed.Code == codes.DeadlineExceeded) {
		failed.cause = ctx.Err()
		failed.transient = false
	} else if failed.Code == codes.DeadlineExceeded {
		failed.cause = context.DeadlineExceeded // the server's clock may be ahead of ctx
	}
	return failed
}

func unavailable(message string) *Error {
	return &Error{Reason: Unavailable, Message: message, Code: codes.Unavailable, transient: true, certain: true}
}

// closed is for what is asked of a client, or a replica, after its end.
func closed(what string, cause error) *Error { return cancelled("the "+what+" is closed", cause) }

// cancelled is for calls that end before they begin, or between two tries.
func cancelled(message string, cause error) *Error {
	return &Error{Reason: Cancelled, Message: message, Code: codes.Canceled, cause: cause}
}

// ended is for what ends with ctx: DEADLINE_EXCEEDED at its deadline, else CANCELLED.
func ended(ctx context.Context, doing string) *Error {
	if ctx.Err() != context.DeadlineExceeded {
		return cancelled("cancelled while "+doing, ctx.Err())
	}
	message := "the deadline came while " + doing
	return &Error{Reason: DeadlineExceeded, Message: message, Code: codes.DeadlineExceeded, cause: ctx.Err()}
}

// unsendable is the caller's mistake, and worth no try.
func unsendable(field, description string) *Error {
	return &Error{
		Reason:     InvalidArgument,
		Message:    field + ": " + description,
		Code:       codes.InvalidArgument,
		Violations: []Violation{{field, description}},
	}
}
