package dev.chord;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.chord.ChordException.Details;
import dev.chord.ChordException.Mismatch;
import dev.chord.ChordException.Violation;
import dev.chord.v1.PositionMismatch;
import dev.chord.v1.UnmetConditions;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** What can go wrong, decoded from gRPC's status and the details in its trailers. */
final class Errors {
  private static final Metadata.Key<byte[]> DETAILS =
      Metadata.Key.of("grpc-status-details-bin", Metadata.BINARY_BYTE_MARSHALLER);

  /** What gRPC says of a connection or stream that HTTP/2 ended. */
  private static final Pattern HTTP =
      Pattern.compile("rst.?stream|go.?away|enhance_your_calm", Pattern.CASE_INSENSITIVE);

  private @Nullable String reason;
  private @Nullable String contextId;
  private @Nullable String mismatchId;
  private @Nullable Mismatch mismatch;
  private List<Violation> violations = List.of();
  private @Nullable Duration retryAfter;
  private UnmetConditionsException.@Nullable Unmet unmet;

  private Errors() {}

  /** @param trailers may be null */
  static ChordException decode(Status status, @Nullable Metadata trailers) {
    String message = withCauses(status);
    byte @Nullable [] details = trailers != null ? trailers.get(DETAILS) : null;
    return decode(status.getCode(), message, details, status.getCause());
  }

  /** @param trailer {@code grpc-status-details-bin}, or null */
  static ChordException decode(Status.Code code, String message, byte @Nullable [] trailer, @Nullable Throwable cause) {
    Errors found = read(trailer);
    boolean isTransient = switch (code) {
      case UNAVAILABLE -> true;
      // Refused for now: it has not happened. By HTTP/2: the connection has been closed, ENHANCE_YOUR_CALM.
      case RESOURCE_EXHAUSTED -> found.retryAfter != null || (found.reason == null && isOfHttp(message));
      // Transports report broken connections as these, too. From the server they are final.
      case INTERNAL, UNKNOWN, CANCELLED -> found.reason == null;
      default -> false;
    };
    String id = found.contextId != null ? found.contextId : found.mismatchId;
    Details details = new Details(id, found.mismatch, found.violations, found.retryAfter);
    String reason = found.reason != null ? found.reason : code.name();
    return found.unmet != null
        ? new UnmetConditionsException(reason, message, code, details, found.unmet, cause)
        : new ChordException(reason, message, code, isTransient, details, cause);
  }

  /**
   * Whether it may be tried again for ever: the server is away or busy, or the connection died, perhaps by what another of
   * its streams did. Other transient errors may be there to stay.
   */
  static boolean isOutage(ChordException error) {
    return switch (error.code()) {
      case UNAVAILABLE, RESOURCE_EXHAUSTED -> error.isTransient();
      case INTERNAL -> error.isTransient() && isOfHttp(error.getMessage());
      default -> false;
    };
  }

  private static boolean isOfHttp(String message) {
    return HTTP.matcher(message).find();
  }

  /** "io exception" alone does not tell why. */
  private static String withCauses(Status status) {
    String message = status.getDescription() != null ? status.getDescription() : "";
    for (Throwable cause = status.getCause(); cause != null; cause = cause.getCause()) {
      String text = cause.getMessage();
      if (text == null || message.contains(text)) continue;
      message = message.isEmpty() ? text : message + ": " + text;
    }
    return message;
  }

  static ChordException unavailable(String message) {
    return new ChordException("UNAVAILABLE", message, Status.Code.UNAVAILABLE, true, Details.NONE, null);
  }

  /** The caller, or the end of the client, ended it. */
  static ChordException cancelled(String message, @Nullable Throwable cause) {
    return new ChordException("CANCELLED", message, Status.Code.CANCELLED, false, Details.NONE, cause);
  }

  static ChordException deadlineExceeded(String message) {
    return new ChordException(
        "DEADLINE_EXCEEDED", message, Status.Code.DEADLINE_EXCEEDED, false, Details.NONE, null);
  }

  /** A fault of the program's own hooks, or of a peer that sends what no server does: worth no try. */
  static ChordException internal(String message, Throwable cause) {
    return new ChordException("INTERNAL", message + ": " + cause, Status.Code.INTERNAL, false, Details.NONE, cause);
  }

  /** The caller's mistake, and worth no try. */
  static ChordException unsendable(String field, String description) {
    Details details = new Details(null, null, List.of(new Violation(field, description)), null);
    String message = field + ": " + description;
    return new ChordException("INVALID_ARGUMENT", message, Status.Code.INVALID_ARGUMENT, false, details, null);
  }

  /** Details that cannot be decoded count as absent: code and message still tell enough. */
  private static Errors read(byte @Nullable [] trailer) {
    Errors found = new Errors();
    if (trailer == null) return found;
    try {
      for (Any detail : com.google.rpc.Status.parseFrom(trailer).getDetailsList()) found.read(detail);
      return found;
    } catch (InvalidProtocolBufferException | RuntimeException e) { // also of a time that Java cannot hold
      return new Errors();
    }
  }

  private void read(Any detail) throws InvalidProtocolBufferException {
    if (detail.is(ErrorInfo.class)) {
      ErrorInfo info = detail.unpack(ErrorInfo.class);
      if (!info.getDomain().equals("chord")) return;
      reason = info.getReason();
      contextId = info.getMetadataMap().get("context_id");
    } else if (detail.is(BadRequest.class)) {
      violations = detail.unpack(BadRequest.class).getFieldViolationsList().stream()
          .map(each -> new Violation(each.getField(), each.getDescription()))
          .toList();
    } else if (detail.is(RetryInfo.class)) {
      RetryInfo info = detail.unpack(RetryInfo.class);
      if (info.hasRetryDelay()) retryAfter = Conversion.fromDuration(info.getRetryDelay());
    } else if (detail.is(UnmetConditions.class)) {
      UnmetConditions told = detail.unpack(UnmetConditions.class);
      mismatchId = told.getContextId();
      unmet = Conditions.fromUnmet(told);
    } else if (detail.is(PositionMismatch.class)) {
      PositionMismatch told = detail.unpack(PositionMismatch.class);
      mismatchId = told.getContextId();
      mismatch = new Mismatch(told.hasCurrent() ? Conversion.fromPosition(told.getCurrent()) : null);
    }
  }
}
