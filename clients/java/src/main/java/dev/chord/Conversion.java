package dev.chord;

import com.google.protobuf.Timestamp;
import dev.chord.v1.BlameContextResponse;
import dev.chord.v1.BlameRun;
import dev.chord.v1.Cause;
import dev.chord.v1.GetContextResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/** From and to protobuf messages. */
final class Conversion {
  private Conversion() {}

  static Position fromPosition(dev.chord.v1.Position position) {
    return new Position(position.getEpoch(), position.getVersion(), position.getDigest());
  }

  static dev.chord.v1.Position toPosition(Position position) {
    return dev.chord.v1.Position.newBuilder()
        .setEpoch(Values.text("epoch", position.epoch()))
        .setVersion(position.version())
        .setDigest(Values.text("digest", position.digest()))
        .build();
  }

  /** Whole: an absent value is an empty document. */
  static Document fromFull(dev.chord.v1.Context context) {
    return document(context, true);
  }

  /** As it came: with a value or without. */
  static Document fromContext(dev.chord.v1.Context context) {
    return document(context, context.hasValue());
  }

  static Document fromGet(GetContextResponse answer) {
    Document document = fromFull(answer.getContext());
    return answer.getExpiriesCount() == 0
        ? document
        : document.withExpiries(answer.getExpiriesList().stream().map(Conversion::fromExpiry).toList());
  }

  private static MemberExpiry fromExpiry(dev.chord.v1.MemberExpiry expiry) {
    return new MemberExpiry(List.copyOf(expiry.getPath().getKeysList()), fromTimestamp(expiry.getExpiresAt()));
  }

  private static Document document(dev.chord.v1.Context context, boolean hasValue) {
    return new Document(
        context.getContextId(),
        hasValue ? Values.fromStruct(context.getValue()) : null,
        fromPosition(context.getPosition()),
        context.hasCreatedAt() ? fromTimestamp(context.getCreatedAt()) : null,
        context.hasUpdatedAt() ? fromTimestamp(context.getUpdatedAt()) : null,
        context.hasExpiresAt() ? fromTimestamp(context.getExpiresAt()) : null,
        List.of());
  }

  static WatchEvent.Full fromFull(dev.chord.v1.Full full) {
    return new WatchEvent.Full(fromFull(full.getContext()), reason(full.getReason().name()), false);
  }

  static Delta fromDelta(dev.chord.v1.Delta delta) {
    return new Delta(
        delta.getContextId(),
        fromPosition(delta.getFrom()),
        fromPosition(delta.getTo()),
        delta.getChangesList().stream().map(Conversion::fromChange).toList(),
        delta.hasUpdatedAt() ? fromTimestamp(delta.getUpdatedAt()) : null,
        delta.hasProvenance() ? fromProvenance(delta.getProvenance()) : null,
        delta.hasFormatted() ? Values.fromValue(delta.getFormatted()) : null,
        delta.getInexpressible().isEmpty() ? null : delta.getInexpressible());
  }

  private static Provenance fromProvenance(dev.chord.v1.Provenance provenance) {
    return new Provenance(
        provenance.getCause() == Cause.CAUSE_EXPIRED,
        provenance.getAuthor(),
        Map.copyOf(provenance.getAnnotationsMap()));
  }

  static BlamePage fromBlame(BlameContextResponse page) {
    return new BlamePage(
        page.getLinesList().stream().map(Conversion::fromLine).toList(),
        fromPosition(page.getPosition()),
        page.getOlderThan());
  }

  private static BlameLine fromLine(dev.chord.v1.BlameLine line) {
    return new BlameLine(
        List.copyOf(line.getPath().getKeysList()),
        line.hasRun() ? fromRun(line.getRun()) : null,
        Values.fromValue(line.getValue()),
        line.getVersion(),
        line.hasUpdatedAt() ? fromTimestamp(line.getUpdatedAt()) : null,
        line.hasProvenance() ? fromProvenance(line.getProvenance()) : null);
  }

  private static BlameLine.Run fromRun(BlameRun run) {
    return new BlameLine.Run(Integer.toUnsignedLong(run.getIndex()), Integer.toUnsignedLong(run.getCount()));
  }

  private static Change fromChange(dev.chord.v1.Change change) {
    List<String> path = List.copyOf(change.getPathList());
    Object value = Values.fromValue(change.getValue());
    Object old = Values.fromValue(change.getOldValue());
    return switch (change.getAction()) {
      case CHANGE_ACTION_ADDED -> change.hasValue() ? new Change.Added(path, value) : new Change.Unknown(path);
      case CHANGE_ACTION_MODIFIED ->
          change.hasValue()
              ? new Change.Modified(path, value, change.hasOldValue(), old)
              : new Change.Unknown(path);
      case CHANGE_ACTION_REMOVED -> new Change.Removed(path, change.hasOldValue(), old);
      case CHANGE_ACTION_SPLICED ->
          change.hasSplice()
              ? fromSplice(path, change.getSplice())
              : change.hasTextSplice() ? fromTextSplice(path, change.getTextSplice()) : new Change.Unknown(path);
      default -> new Change.Unknown(path);
    };
  }

  /** The numbers: protoc tells {@code removed_count} and the count of {@code removed} apart by those of the fields. */
  private static Change fromSplice(List<String> path, dev.chord.v1.Splice splice) {
    return new Change.Spliced(
        path,
        Integer.toUnsignedLong(splice.getIndex()),
        Integer.toUnsignedLong(splice.getRemovedCount2()),
        Values.fromValues(splice.getInsertedList()),
        Values.fromValues(splice.getRemoved3List()));
  }

  private static Change fromTextSplice(List<String> path, dev.chord.v1.TextSplice splice) {
    return new Change.TextSpliced(
        path,
        Integer.toUnsignedLong(splice.getIndex()),
        Integer.toUnsignedLong(splice.getRemovedCount()),
        splice.getInserted(),
        splice.getRemoved());
  }

  /** What the name says beyond its enum's; of a value that this client does not know: UNSPECIFIED. */
  static String reason(String name) {
    String prefix = "FULL_REASON_";
    return name.startsWith(prefix) ? name.substring(prefix.length()) : "UNSPECIFIED";
  }

  static com.google.protobuf.Duration toDuration(Duration duration) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }

  static Duration fromDuration(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  static Timestamp toTimestamp(Instant time) {
    return Timestamp.newBuilder().setSeconds(time.getEpochSecond()).setNanos(time.getNano()).build();
  }

  private static Instant fromTimestamp(Timestamp timestamp) {
    return Instant.ofEpochSecond(timestamp.getSeconds(), timestamp.getNanos());
  }
}
