package dev.chord;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Struct;
import dev.chord.v1.Subscription;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.Status;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The ops that need no server: the client's own code on bytes and values. */
final class VectorOps {
  private VectorOps() {}

  static Object decode(Args args) throws InvalidProtocolBufferException {
    return Forms.form("value", Values.fromStruct(Struct.parseFrom(args.bytes("wire"))));
  }

  static Object encode(Args args) {
    byte[] wire = Values.toStruct("value", args.map("value")).toByteArray();
    return Forms.form("wire", Base64.getEncoder().encodeToString(wire));
  }

  static Object apply(Args args) throws InvalidProtocolBufferException {
    Delta delta = Conversion.fromDelta(dev.chord.v1.Delta.parseFrom(args.bytes("wire")));
    return Forms.form("value", delta.applyTo(args.map("document")));
  }

  static Object error(Args args) {
    Status.Code code = Status.fromCodeValue((int) args.number("code", 0)).getCode();
    ChordException error = Errors.decode(code, args.text("message"), args.bytes("details"), null);
    return Forms.form("error", Forms.error(error), "transient", error.isTransient());
  }

  static Object track(Args args) throws InvalidProtocolBufferException {
    int knownBytesMax = (int) args.number("knownBytesMax", Tracker.KNOWN_BYTES_MAX);
    Tracker tracker = new Tracker(args.targets(), args.positions("known"), knownBytesMax);
    List<Object> steps = new ArrayList<>();
    for (Args step : args.each("steps")) steps.add(step(tracker, step));
    return Forms.form("steps", steps);
  }

  private static Object step(Tracker tracker, Args step) throws InvalidProtocolBufferException {
    // Heartbeats have no bytes, so a response may be "".
    if (!step.has("response")) {
      return Forms.form("known", Forms.all(tracker.connect(), VectorOps::known));
    }
    List<WatchEvent> events = tracker.take(WatchContextsResponse.parseFrom(step.bytes("response")));
    if (events == null) return Forms.form("events", List.of(), "gap", true);
    return Forms.form("events", Forms.all(events, Forms::event));
  }

  private static Map<String, Object> known(Subscription subscription) {
    Map<String, Object> known = new LinkedHashMap<>();
    subscription.getKnownMap().forEach((id, at) -> known.put(id, Forms.position(Conversion.fromPosition(at))));
    return known;
  }
}
