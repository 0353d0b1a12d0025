package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Int32Value;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class UnitsTest {
  @Test
  void otherNumbersBecomeDoubles() {
    Map<String, ?> sent = Map.of("int", 1, "long", -2L, "float", 0.5f, "decimal", new BigDecimal("1.5"), "-0", -0.0);
    Map<String, ?> back = Map.of("int", 1.0, "long", -2.0, "float", 0.5, "decimal", 1.5, "-0", -0.0);
    assertEquals(back, Values.fromStruct(Values.toStruct("value", sent)));
  }

  static List<Object> notJson() {
    return List.of(
        Double.NaN, Double.NEGATIVE_INFINITY, Float.NaN, new BigDecimal("1e999"), "\ud800", "a\udc00b", "\udc00\ud800",
        'c', new byte[0], Set.of(), new Object(), List.of("\ud800"), Map.of(1, 2), Map.of("\udfff", 1),
        Collections.singletonMap(null, 1));
  }

  @ParameterizedTest
  @MethodSource
  void notJson(Object value) {
    ChordException refused =
        assertThrows(ChordException.class, () -> Values.toStruct("value", Map.of("a", value)));
    assertEquals("INVALID_ARGUMENT", refused.reason());
    assertTrue(refused.violations().get(0).field().startsWith("value"), refused::toString);
  }

  @Test
  void refusalsNameThePath() {
    Map<String, Object> document =
        Map.of("members", List.of(Map.of("name", "ann"), Map.of("odd \"key\"", 9_007_199_254_740_993L)));
    assertEquals("value.members[1][\"odd \\\"key\\\"\"]", fieldOf(() -> Values.toStruct("value", document)));
    assertEquals(
        "append[1].x", fieldOf(() -> Mutation.append(List.of("l"), List.of(1, Map.of("x", Double.NaN)))));
    assertEquals("set[0]", fieldOf(() -> Mutation.set(List.of("l"), List.of("\ud800"))));
  }

  private static String fieldOf(Executable refused) {
    return Live.fails("INVALID_ARGUMENT", refused).violations().get(0).field();
  }

  @Test
  void integersThatNoDoubleIs() {
    for (Number refused : List.of(
        9_007_199_254_740_993L, Long.MAX_VALUE, new BigInteger("18446744073709551615"),
        new AtomicLong(-9_007_199_254_740_993L))) {
      Live.fails("INVALID_ARGUMENT", () -> Values.toValue("value", refused));
    }
    for (Number sent : List.of(1L << 53, Long.MIN_VALUE, BigInteger.TWO.pow(64), 1e300, new BigDecimal("0.1"))) {
      assertEquals(sent.doubleValue(), Values.fromValue(Values.toValue("value", sent)));
    }
  }

  @Test
  void positionsAsText() {
    Position position = new Position("Xk29", 7, "0aY7");
    assertEquals("Xk29:7:0aY7", position.toString());
    assertEquals(position, Position.parse("Xk29:7:0aY7"));
    assertEquals(new Position("", 7, ""), Position.parse("7"));
    assertEquals("7", Position.parse("7").toString());
    for (String wrong : new String[] {"", "a", "a:1", ":1:d", "e:1:", "e:-1:d", "e:1:d:x", "e :1:d", "e::d"}) {
      assertThrows(IllegalArgumentException.class, () -> Position.parse(wrong), wrong);
    }
    assertTrue(position.reaches(Position.parse("Xk29:6:x")) && position.reaches(Position.parse("7")));
    assertFalse(position.reaches(Position.parse("Xk29:8:x")) || position.reaches(Position.parse("other:1:x")));
  }

  @Test
  void streamsThatHttpEndsAreOutages() {
    for (String message : List.of("HTTP/2 error code: ENHANCE_YOUR_CALM\nReceived Goaway", "Received Rst Stream")) {
      for (Status status : List.of(Status.RESOURCE_EXHAUSTED, Status.INTERNAL)) {
        assertTrue(Errors.isOutage(Errors.decode(status.withDescription(message), null)), message);
      }
    }
    assertFalse(Errors.isOutage(Errors.decode(Status.INTERNAL.withDescription("broken"), null)));
    assertFalse(Errors.isOutage(Errors.decode(Status.RESOURCE_EXHAUSTED.withDescription("too large"), null)));
  }

  @Test
  void gateLetsInAsManyAsItHasPlaces() {
    List<Integer> in = new ArrayList<>();
    Gate gate = new Gate(2);
    for (int i = 0; i < 6; i++) {
      int number = i;
      gate.enter(() -> number != 2 && in.add(number));
    }
    assertEquals(List.of(0, 1), in);
    gate.leave();
    assertEquals(List.of(0, 1, 3), in); // 2 has gone meanwhile
    for (int i = 0; i < 4; i++) gate.leave();
    gate.enter(() -> in.add(6));
    gate.enter(() -> in.add(7));
    gate.enter(() -> in.add(8));
    assertEquals(List.of(0, 1, 3, 4, 5, 6, 7), in);
  }

  @Test
  void wholeSurrogatePairsAreText() {
    assertEquals("a\ud83d\ude00b", Values.fromValue(Values.toValue("value", "a\ud83d\ude00b")));
  }

  @Test
  void depth() {
    Values.toStruct("value", nested(32));
    assertThrows(ChordException.class, () -> Values.toStruct("value", nested(33)));
    List<Object> cyclic = new ArrayList<>();
    cyclic.add(cyclic);
    assertThrows(ChordException.class, () -> Values.toStruct("value", Map.of("a", cyclic)));
  }

  private static Map<String, Object> nested(int levels) {
    Map<String, Object> value = Map.of();
    for (int i = 1; i < levels; i++) value = Map.of("a", value);
    return value;
  }

  @Test
  void applySharesWhatStays() {
    Map<String, Object> document = Live.json("{'kept':{'k':1},'changed':{'a':1,'l':[1,2]}}");
    Map<String, Object> added = Map.of("x", 1.0);
    Map<String, Object> next = apply(document,
        new Change.Modified(List.of("changed", "a"), 2.0, false, null),
        new Change.Spliced(List.of("changed", "l"), 2, 0, List.of(3.0), List.of()),
        new Change.Spliced(List.of("changed", "l"), 0, 1, List.of(), List.of()),
        new Change.Added(List.of("changed", "new"), added),
        new Change.Modified(List.of("changed", "new", "x"), 2.0, false, null));
    assertEquals(Live.json("{'kept':{'k':1},'changed':{'a':2,'l':[2,3],'new':{'x':2}}}"), next);
    assertEquals(Live.json("{'kept':{'k':1},'changed':{'a':1,'l':[1,2]}}"), document);
    assertEquals(Map.of("x", 1.0), added);
    assertSame(document.get("kept"), next.get("kept"));
    assertSame(document, apply(document));
  }

  @Test
  void applyAfterAReplacement() {
    Map<String, Object> next = apply(Live.json("{'a':{'b':1}}"),
        new Change.Modified(List.of("a", "b"), 2.0, false, null),
        new Change.Modified(List.of("a"), Live.json("{'c':1}"), false, null),
        new Change.Added(List.of("a", "d"), null));
    assertEquals(Live.json("{'a':{'c':1,'d':null}}"), next);
  }

  @Test
  void spliceBeyondUint32() {
    Change splice = new Change.Spliced(List.of("l"), 1, 0xffff_ffffL, List.of(), List.of());
    assertThrows(DeltaMismatchException.class, () -> apply(Live.json("{'l':[1]}"), splice));
  }

  private static Map<String, Object> apply(Map<String, Object> document, Change... changes) {
    Position none = new Position("", 0, "");
    return new Delta("a", none, none, List.of(changes), null, null, null, null).applyTo(document);
  }

  @Test
  void aDeltaInAnotherFormatAppliesToNoDocument() {
    Position none = new Position("", 0, "");
    for (Delta delta : List.of(
        new Delta("a", none, none, List.of(), null, null, List.of(), null),
        new Delta("a", none, none, List.of(), null, null, null, "null is no merge patch"))) {
      assertThrows(DeltaMismatchException.class, () -> delta.applyTo(Map.of()));
    }
  }

  /** Else the caller would wait for ever. */
  @Test
  void anAnswerThatCannotBeReadEndsTheCall() {
    CompletableFuture<String> answer = new CompletableFuture<>();
    CompletableFuture<Integer> read = AsyncCalls.then(answer, Integer::parseInt);
    answer.complete("no number");
    assertThrows(NumberFormatException.class, () -> Connection.await(read));
    assertEquals(HealthStatus.UNKNOWN, Health.status(Int32Value.of(-1)));
  }

  @Test
  void detailsThatCannotBeDecodedCountAsAbsent() {
    com.google.protobuf.Duration delay =
        com.google.protobuf.Duration.newBuilder().setSeconds(Long.MAX_VALUE).setNanos(Integer.MAX_VALUE).build();
    byte[] details = com.google.rpc.Status.newBuilder()
        .addDetails(Any.pack(RetryInfo.newBuilder().setRetryDelay(delay).build()))
        .build()
        .toByteArray();
    assertEquals("NOT_FOUND", Errors.decode(Status.Code.NOT_FOUND, "none", details, null).reason());
  }

  @Test
  void backoff() {
    RetryPolicy policy = RetryPolicy.DEFAULT.withBackoff(Duration.ofMillis(100), Duration.ofSeconds(1));
    for (int failures : new int[] {0, 1, 2, 3, 4, 10_000}) {
      double whole = Math.min(1e9, 1e8 * Math.pow(2, failures));
      for (int i = 0; i < 100; i++) {
        long wait = policy.backoff(failures).toNanos();
        assertTrue(whole / 2 <= wait && wait <= whole, () -> wait + " after " + failures);
      }
    }
  }

  @Test
  void policiesThatMakeNoSense() {
    Duration second = Duration.ofSeconds(1);
    assertThrows(IllegalArgumentException.class, () -> RetryPolicy.DEFAULT.withAttempts(0));
    assertThrows(IllegalArgumentException.class, () -> RetryPolicy.DEFAULT.withAttemptTimeout(Duration.ZERO));
    assertThrows(IllegalArgumentException.class, () -> RetryPolicy.DEFAULT.withBackoff(second, Duration.ZERO));
  }

  @Test
  void pagesAreReadAsTheyAreIterated() {
    List<String> fetched = new ArrayList<>();
    Map<String, List<Integer>> pages = new HashMap<>(Map.of("", List.of(1, 2), "b", List.of(), "c", List.of(3)));
    Map<String, String> next = Map.of("", "b", "b", "c", "c", "");
    Iterable<Integer> all = new Pages<String, Integer>(token -> {
      fetched.add(token);
      return token;
    }, next::get, pages::get);
    assertEquals(1, all.iterator().next());
    assertEquals(List.of(""), fetched);
    List<Integer> read = new ArrayList<>();
    all.forEach(read::add);
    assertEquals(List.of(1, 2, 3), read);
    assertEquals(Arrays.asList("", "", "b", "c"), fetched);
  }

  @Test
  void aCertificateWithoutItsKeyIsRefused() {
    Path file = Path.of("certificate.pem");
    assertThrows(IllegalArgumentException.class, () -> Tls.SYSTEM.withIdentity(file, null));
    assertThrows(IllegalArgumentException.class, () -> Tls.SYSTEM.withIdentity(null, file));
  }

  @Test
  void anAnswerWithoutItsValueSaysSo() {
    Document touched = new Document("a", null, new Position("e", 1, "d"), null, null, null, List.of());
    assertTrue(assertThrows(NullPointerException.class, touched::copy).getMessage().contains("not asked for"));
  }
}
