package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;

import dev.chord.UnmetConditionsException.Failed;
import dev.chord.UnmetConditionsException.Touched;
import java.io.ByteArrayOutputStream;
import java.io.ObjectOutputStream;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class ConditionsTest extends Live {
  private static final List<String> A = List.of("a");
  private static final List<String> B = List.of("b");
  private static final List<String> L = List.of("l");

  private static UnmetConditionsException unmet(Executable call) {
    return assertInstanceOf(UnmetConditionsException.class, fails("ABORTED", call));
  }

  @SafeVarargs
  private static UpdateOptions unchanged(Position since, List<String>... paths) {
    return UpdateOptions.builder().ifUnchanged(since, List.of(paths)).build();
  }

  @Test
  void ifUnchanged() {
    String id = id("a");
    Position since = client.set(id, json("{'a':1,'b':1,'l':[1,2,3]}")).position();
    client.update(id, Edit.merge(Map.of("a", 2)));
    Edit edit = Edit.of(Mutation.increment(B, 1));
    Position kept = client.update(id, edit, unchanged(since, B, List.of("none"))).position();
    List<Executable> writes = List.of(
        () -> client.update(id, edit, unchanged(since, A)),
        () -> client.set(id, Map.of(), SetOptions.builder().ifUnchanged(since, List.of(A)).build()),
        () -> client.delete(id, DeleteOptions.builder().ifUnchanged(since, List.of(A)).build()));
    for (Executable write : writes) {
      UnmetConditionsException refused = unmet(write);
      assertEquals(kept, refused.current());
      assertEquals(List.of(new Touched(A, 2, null)), refused.conditions());
      assertEquals(id, refused.contextId());
      assertNull(refused.sinceReason());
      assertNull(refused.mismatch());
    }

    // Splices name places of the list as it was.
    client.update(id, Edit.of(Mutation.splice(L, 0, 0, List.of("first"))));
    client.update(id, Edit.of(Mutation.splice(L, 2, 1, List.of("three"))), unchanged(since));
    assertEquals(List.of("first", 1.0, 2.0, "three"), client.get(id).value().get("l"));
    Edit again = Edit.of(Mutation.splice(L, 2, 1, List.of("again")));
    assertEquals(List.of(new Touched(L, 5, null)), unmet(() -> client.update(id, again, unchanged(since))).conditions());

    client.delete(id);
    client.set(id, Map.of());
    UnmetConditionsException other = unmet(() -> client.update(id, edit, unchanged(since, B)));
    assertEquals("EPOCH_CHANGED", other.sinceReason());
    assertEquals(List.of(), other.conditions());
  }

  @Test
  void ifChecks() throws Exception {
    String id = id("a");
    Position at = client.set(id, json("{'seats':1,'o':{'x':null}}")).position();
    List<String> seats = List.of("seats");
    Check[] hold = {
      Check.atLeast(seats, 1), Check.atMost(seats, 1), Check.exists(List.of("o", "x")), Check.missing(List.of("o", "y")),
      Check.equalTo(List.of("o"), json("{'x':null}")), Check.equalTo(List.of("o", "x"), null),
    };
    Check[] fail = {
      Check.atLeast(seats, 1.5), Check.atMost(List.of("o"), 1), Check.exists(List.of("o", "y")),
      Check.missing(List.of("o", "x")), Check.equalTo(seats, "1"), Check.equalTo(List.of("o"), json("{'y':[1]}")),
    };
    Edit take = Edit.of(Mutation.increment(seats, -1));
    // Checks stand beside a position, in any order.
    UpdateOptions both = UpdateOptions.builder().ifChecks(hold).ifPosition(at).ifChecks(fail).build();
    UnmetConditionsException refused = unmet(() -> client.update(id, take, both));
    assertEquals(Stream.of(fail).map(Failed::new).toList(), refused.conditions());
    assertEquals(List.of("o", "y"), refused.conditions().get(2).path());
    new ObjectOutputStream(new ByteArrayOutputStream()).writeObject(refused);
    UpdateOptions allHold = UpdateOptions.builder().ifChecks(hold).ifPosition(at).build();
    client.update(id, take, allHold);
    client.update(id, Edit.merge(Map.of()), UpdateOptions.builder().ifChecks().build());
    ChordException moved = fails("ABORTED", () -> client.update(id, take, allHold));
    assertEquals(2, moved.mismatch().current().version());
    assertFalse(moved instanceof UnmetConditionsException);
    UpdateOptions some = UpdateOptions.builder().ifChecks(hold[0]).allowMissing().build();
    assertNull(unmet(() -> client.update(id("none"), take, some)).current());
  }

  @Test
  void whatIsNeverSent() {
    SetOptions.Builder options = SetOptions.builder();
    Map<String, Executable> calls = Map.of(
        "expected.checks[1].equals[0]", () -> options.ifChecks(Check.exists(A), Check.equalTo(A, List.of(Long.MAX_VALUE))),
        "expected.checks[0].at_least", () -> options.ifChecks(Check.atLeast(A, Double.NaN)),
        "expected.checks[0].at_most", () -> options.ifChecks(Check.atMost(A, Double.POSITIVE_INFINITY)),
        "expected.checks[0]", () -> options.ifChecks(new Check.Unknown(A)),
        "expected.checks[0].path", () -> options.ifChecks(Check.exists(List.of("\ud800"))),
        "expected.unchanged.paths[1]",
        () -> options.ifUnchanged(new Position("", 1, ""), List.of(A, List.of("\ud800"))),
        "until[0].equals", () -> client.waitFor("a", List.of(Check.equalTo(A, new Object()))));
    calls.forEach((field, call) ->
        assertEquals(field, fails("INVALID_ARGUMENT", call).violations().get(0).field()));
  }

  @Test
  void whatExpiresWhen() {
    String id = id("a");
    Instant before = Instant.now();
    Duration hour = Duration.ofHours(1);
    Duration minute = Duration.ofMinutes(1);
    Edit edit = Edit.of(
        Mutation.set(List.of("m", "b"), 1, minute),
        Mutation.set(List.of("m", "a.b"), 1, hour),
        Mutation.set(List.of("x"), 1));
    client.update(id, edit, UpdateOptions.builder().allowMissing().build());
    assertEquals(List.of(), client.get(id).expiries());
    List<MemberExpiry> expiries = client.get(id, GetOptions.builder().includeExpiries().build()).expiries();
    assertEquals(
        List.of(List.of("m", "a.b"), List.of("m", "b")), expiries.stream().map(MemberExpiry::path).toList());
    for (int i = 0; i < 2; i++) {
      Instant at = expiries.get(i).expiresAt().minus(i == 0 ? hour : minute);
      // The server's clock counts milliseconds.
      assertFalse(at.isBefore(before.minusMillis(1)) || at.isAfter(Instant.now().plusMillis(1)), at::toString);
    }
  }
}
