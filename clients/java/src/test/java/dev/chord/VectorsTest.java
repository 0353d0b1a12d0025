package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.google.protobuf.Struct;
import dev.chord.v1.WatchContextsResponse;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** What the clients of all languages are held to: test/vectors. */
class VectorsTest {
  private interface Check {
    void run(Args vector) throws Exception;
  }

  @TestFactory
  Stream<DynamicTest> values() throws IOException {
    return vectors("values", vector -> {
      Struct wire = Struct.parseFrom(vector.bytes("wire"));
      assertEquals(vector.map("value"), Values.fromStruct(wire));
      if (!vector.flag("decodeOnly")) assertEquals(wire, Values.toStruct("value", vector.map("value")));
    });
  }

  @TestFactory
  Stream<DynamicTest> deltas() throws IOException {
    return vectors("apply", vector -> {
      Delta delta = Conversion.fromDelta(dev.chord.v1.Delta.parseFrom(vector.bytes("wire")));
      Map<String, Object> document = vector.map("document");
      String before = Json.write(document);
      if (vector.has("value")) assertEquals(vector.map("value"), delta.applyTo(document));
      else assertThrows(DeltaMismatchException.class, () -> delta.applyTo(document));
      assertEquals(before, Json.write(document));
    });
  }

  @TestFactory
  Stream<DynamicTest> errors() throws IOException {
    return vectors("errors", vector -> {
      Status.Code code = Status.fromCodeValue((int) vector.number("code", 0)).getCode();
      ChordException error = Errors.decode(code, vector.text("message"), vector.bytes("details"), null);
      Args want = vector.sub("error");
      assertEquals(want.text("reason"), error.reason());
      assertEquals(want.text("message"), error.getMessage());
      assertEquals(want.text("contextId"), error.contextId());
      assertEquals(want.millis("retryAfter", null), error.retryAfter());
      assertEquals(want.each("violations").stream()
          .map(each -> new ChordException.Violation(each.text("field"), each.text("description")))
          .toList(), error.violations());
      boolean hasUnmet = want.has("unmet");
      boolean hasMismatch = want.members().containsKey("current") && !hasUnmet;
      assertEquals(hasMismatch ? new ChordException.Mismatch(want.position("current")) : null, error.mismatch());
      assertEquals(hasUnmet, error instanceof UnmetConditionsException);
      if (error instanceof UnmetConditionsException unmet) {
        assertEquals(want.position("current"), unmet.current());
        assertEquals(want.sub("unmet").text("sinceReason"), unmet.sinceReason());
        assertEquals(want.sub("unmet").each("conditions").stream().map(Args::members).toList(),
            Json.parse(Json.write(Forms.all(unmet.conditions(), Forms::condition))));
      }
      assertEquals(vector.flag("transient"), error.isTransient());
    });
  }

  @TestFactory
  Stream<DynamicTest> watchStreams() throws IOException {
    return vectors("track", vector -> {
      int knownBytesMax = (int) vector.number("knownBytesMax", Tracker.KNOWN_BYTES_MAX);
      Tracker tracker = new Tracker(vector.targets(), vector.positions("known"), knownBytesMax);
      for (Args step : vector.each("steps")) step(tracker, step);
    });
  }

  private static void step(Tracker tracker, Args step) throws IOException {
    if (!step.has("response")) {
      List<Object> known = new ArrayList<>();
      tracker.connect().forEach(subscription -> {
        Map<String, Object> positions = new LinkedHashMap<>();
        subscription.getKnownMap().forEach((id, at) ->
            positions.put(id, Forms.position(Conversion.fromPosition(at))));
        known.add(positions);
      });
      assertEquals(step.members().get("known"), Json.parse(Json.write(known)));
      return;
    }
    List<WatchEvent> events = tracker.take(WatchContextsResponse.parseFrom(step.bytes("response")));
    assertEquals(step.flag("gap"), events == null);
    if (events == null) return;
    assertEquals(step.members().get("events"), Json.parse(Json.write(Forms.all(events, Forms::event))));
  }

  private static Stream<DynamicTest> vectors(String name, Check check) throws IOException {
    Path file = TestServer.ROOT.resolve("test/vectors/" + name + ".json");
    assumeTrue(Files.exists(file), () -> file + " is not there: this is not Chord's repository");
    return Json.list(Json.parse(Files.readString(file))).stream()
        .map(each -> new Args(Json.map(each)))
        .map(vector -> dynamicTest(vector.text("name"), () -> check.run(vector)));
  }
}
