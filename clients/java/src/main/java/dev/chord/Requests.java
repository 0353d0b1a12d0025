package dev.chord;

import dev.chord.v1.BatchWriteRequest;
import dev.chord.v1.BatchWriteResponse;
import dev.chord.v1.BlameContextRequest;
import dev.chord.v1.DeleteContextRequest;
import dev.chord.v1.DeleteContextResponse;
import dev.chord.v1.GetContextRequest;
import dev.chord.v1.ListContextsRequest;
import dev.chord.v1.ListDeltasRequest;
import dev.chord.v1.ListDeltasResponse;
import dev.chord.v1.RevertContextRequest;
import dev.chord.v1.RevertContextResponse;
import dev.chord.v1.SetContextRequest;
import dev.chord.v1.SetContextResponse;
import dev.chord.v1.SyncContextRequest;
import dev.chord.v1.SyncContextResponse;
import dev.chord.v1.TouchContextRequest;
import dev.chord.v1.UpdateContextRequest;
import dev.chord.v1.UpdateContextResponse;
import dev.chord.v1.WaitContextRequest;
import dev.chord.v1.WaitContextResponse;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** What calls send, checked, and what their answers say. */
final class Requests {
  private Requests() {}

  static SetContextRequest set(String requestId, String id, Map<String, ?> value, WriteOptions options) {
    SetContextRequest.Builder request = SetContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setValue(Values.toStruct("value", value))
        .setRequestId(requestId)
        .putAllAnnotations(options.annotations)
        .setReturning(options.returning);
    if (options.expected != null) request.setExpected(options.expected);
    if (options.ttl != null) request.setTtl(Conversion.toDuration(options.ttl));
    return request.build();
  }

  static UpdateContextRequest update(String requestId, String id, Edit edit, WriteOptions options) {
    UpdateContextRequest.Builder request = UpdateContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setAllowMissing(options.allowMissing)
        .setRequestId(requestId)
        .putAllAnnotations(options.annotations)
        .setReturning(options.returning);
    if (edit.changes() != null) request.setChanges(Values.toStruct("changes", edit.changes()));
    edit.mutations().forEach(mutation -> request.addMutations(mutation.message));
    if (options.expected != null) request.setExpected(options.expected);
    if (options.ttl != null) request.setTtl(Conversion.toDuration(options.ttl));
    return request.build();
  }

  static RevertContextRequest revert(String requestId, String id, long version, WriteOptions options) {
    RevertContextRequest.Builder request = RevertContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setVersion(version)
        .setRequestId(requestId)
        .putAllAnnotations(options.annotations)
        .setReturning(options.returning);
    if (options.expected != null) request.setExpected(options.expected);
    if (options.ttl != null) request.setTtl(Conversion.toDuration(options.ttl));
    return request.build();
  }

  static BatchWriteRequest batch(String requestId, List<Write> writes) {
    BatchWriteRequest.Builder request = BatchWriteRequest.newBuilder().setRequestId(requestId);
    for (Write write : writes) {
      String place = "writes[" + request.getWritesCount() + "]." + write.kind + ".";
      try {
        request.addWrites(write.message.get());
      } catch (ChordException e) {
        if (e.violations().isEmpty()) throw e;
        ChordException.Violation fault = e.violations().get(0);
        throw Errors.unsendable(place + fault.field(), fault.description());
      }
    }
    return request.build();
  }

  static GetContextRequest get(String id, GetOptions options) {
    GetContextRequest.Builder request = GetContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setVersion(options.version)
        .setIncludeExpiries(options.includeExpiries);
    if (options.at != null) request.setAt(Conversion.toTimestamp(options.at));
    return request.build();
  }

  static DeleteContextRequest delete(String requestId, String id, WriteOptions options) {
    DeleteContextRequest.Builder request = DeleteContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setRequestId(requestId)
        .putAllAnnotations(options.annotations)
        .setAllowMissing(options.allowMissing);
    if (options.expected != null) request.setExpected(options.expected);
    return request.build();
  }

  static TouchContextRequest touch(String id, List<List<String>> paths, @Nullable Duration ttl) {
    TouchContextRequest.Builder request =
        TouchContextRequest.newBuilder().setContextId(Values.text("context_id", id));
    if (ttl != null) request.setTtl(Conversion.toDuration(ttl));
    return request.addAllPaths(Conditions.toPaths("paths", paths)).build();
  }

  static ListContextsRequest list(String prefix, ListOptions options) {
    return ListContextsRequest.newBuilder()
        .setPrefix(Values.text("prefix", prefix))
        .setIncludeValues(options.includeValues)
        .setPageSize(options.pageSize)
        .build();
  }

  static SyncContextRequest sync(String id, @Nullable Position known, SyncOptions options) {
    SyncContextRequest.Builder request = SyncContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setIncludeOldValues(options.includeOldValues)
        .setFormat(options.format)
        .addAllPaths(options.paths);
    if (known != null) request.setKnown(Conversion.toPosition(known));
    return request.build();
  }

  static WaitContextRequest wait(String id, List<Check> until, WaitOptions options) {
    WaitContextRequest.Builder request = WaitContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .addAllUntil(Conditions.toChecks("until", until))
        .setIncludeOldValues(options.includeOldValues)
        .setFormat(options.format)
        .addAllPaths(options.paths);
    if (options.known != null) request.setKnown(Conversion.toPosition(options.known));
    return request.build();
  }

  static BlameContextRequest blame(String id, BlameOptions options) {
    return BlameContextRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .addAllPaths(options.paths)
        .setPageSize(options.pageSize)
        .build();
  }

  static ListDeltasRequest deltas(String id, long fromVersion, DeltasOptions options) {
    return ListDeltasRequest.newBuilder()
        .setContextId(Values.text("context_id", id))
        .setFromVersion(fromVersion)
        .setIncludeOldValues(options.includeOldValues)
        .setFormat(options.format)
        .setPageSize(options.pageSize)
        .build();
  }

  static WriteResult written(SetContextResponse answer) {
    return written(
        answer.getPosition(),
        answer.getChanged(),
        answer.hasContext() ? answer.getContext() : null,
        answer.hasDelta() ? answer.getDelta() : null);
  }

  static WriteResult written(UpdateContextResponse answer) {
    return written(
        answer.getPosition(),
        answer.getChanged(),
        answer.hasContext() ? answer.getContext() : null,
        answer.hasDelta() ? answer.getDelta() : null);
  }

  static WriteResult written(RevertContextResponse answer) {
    return written(
        answer.getPosition(),
        answer.getChanged(),
        answer.hasContext() ? answer.getContext() : null,
        answer.hasDelta() ? answer.getDelta() : null);
  }

  static List<Write.Result> written(BatchWriteResponse answer) {
    return answer.getResultsList().stream()
        .map(result -> new Write.Result(
            result.hasPosition() ? Conversion.fromPosition(result.getPosition()) : null,
            result.getChanged(),
            result.hasContext() ? Conversion.fromContext(result.getContext()) : null,
            result.hasDelta() ? Conversion.fromDelta(result.getDelta()) : null))
        .toList();
  }

  static DeleteResult deleted(DeleteContextResponse answer) {
    Position position = answer.hasPosition() ? Conversion.fromPosition(answer.getPosition()) : null;
    return new DeleteResult(position, answer.getChanged());
  }

  static SyncResult synced(SyncContextResponse answer) {
    return switch (answer.getResultCase()) {
      case FULL -> Conversion.fromFull(answer.getFull());
      case DELTA -> new WatchEvent.Changed(Conversion.fromDelta(answer.getDelta()), false);
      default -> new SyncResult.NoChange(Conversion.fromPosition(answer.getNoChange().getPosition()));
    };
  }

  static WaitResult met(WaitContextResponse answer) {
    SyncResult result = switch (answer.getResultCase()) {
      case FULL -> Conversion.fromFull(answer.getFull());
      case DELTA -> new WatchEvent.Changed(Conversion.fromDelta(answer.getDelta()), false);
      default -> new SyncResult.NoChange(Conversion.fromPosition(answer.getNoChange().getPosition()));
    };
    return new WaitResult(result, answer.getHeldAt());
  }

  static DeltaPage page(ListDeltasResponse page) {
    return new DeltaPage(
        page.getDeltasList().stream().map(Conversion::fromDelta).toList(),
        Conversion.fromPosition(page.getHead()),
        page.getTruncated());
  }

  private static WriteResult written(
      dev.chord.v1.Position position,
      boolean changed,
      dev.chord.v1.@Nullable Context context,
      dev.chord.v1.@Nullable Delta delta) {
    return new WriteResult(
        Conversion.fromPosition(position),
        changed,
        context != null ? Conversion.fromFull(context) : null,
        delta != null ? Conversion.fromDelta(delta) : null);
  }
}
