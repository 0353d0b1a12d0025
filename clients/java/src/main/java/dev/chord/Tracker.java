package dev.chord;

import dev.chord.v1.Subscription;
import dev.chord.v1.WatchContextsResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What a watch makes of each message of its streams, and what it asks for when it connects again. Pure: it knows no
 * network. See clients/README.md, "The tracker". Not for several threads at once.
 */
final class Tracker {
  /** Of a request's 4 MiB. */
  static final int KNOWN_BYTES_MAX = 3 << 20;

  /** A position with its framing. */
  private static final int POSITION_BYTES = 40;

  private static final String UNKNOWN = "UNKNOWN";

  private final List<Target> targets;
  private final int knownBytesMax;
  private final Map<String, Position> positions;
  private final Set<String> absent = new HashSet<>();

  /** Held, but not in this connection's request: whoever is not heard of until the stream has caught up is gone. */
  private final Set<String> omitted = new HashSet<>();

  /** Did not fit: the next request asks for the document. */
  private final Set<String> doubted = new HashSet<>();

  /** @throws ChordException INVALID_ARGUMENT for what cannot be sent */
  Tracker(List<Target> targets, Map<String, Position> known, int knownBytesMax) {
    for (Target target : targets) Values.text(target.isPrefix() ? "prefix" : "context_id", target.name());
    for (String id : known.keySet()) Values.text("known", id);
    this.targets = List.copyOf(targets);
    this.positions = new HashMap<>(known);
    this.knownBytesMax = knownBytesMax;
  }

  /** A connection begins: answers the subscriptions to ask for. */
  List<Subscription> connect() {
    omitted.clear();
    omitted.addAll(positions.keySet());
    List<Subscription> subscriptions = new ArrayList<>();
    long room = knownBytesMax;
    for (Target target : targets) {
      Subscription.Builder subscription = Subscription.newBuilder();
      if (target.isPrefix()) subscription.setPrefix(target.name());
      else subscription.setContextId(target.name());
      for (String id : covered(target)) {
        int bytes = id.getBytes(StandardCharsets.UTF_8).length + POSITION_BYTES;
        if (doubted.contains(id) || bytes > room) continue;
        room -= bytes;
        subscription.putKnown(id, Conversion.toPosition(positions.get(id)));
        omitted.remove(id);
      }
      subscriptions.add(subscription.build());
    }
    return subscriptions;
  }

  /** A message: answers the events to deliver; null where it leaves a gap, and the watch must connect again. */
  List<WatchEvent> take(WatchContextsResponse message) {
    return switch (message.getEventCase()) {
      case FULL -> full(Conversion.fromFull(message.getFull()));
      case DELTA -> delta(Conversion.fromDelta(message.getDelta()));
      case DELETED -> {
        dev.chord.v1.Deleted deleted = message.getDeleted();
        String reason = switch (deleted.getReason()) {
          case DELETED_REASON_DELETED -> "DELETED";
          case DELETED_REASON_EXPIRED -> "EXPIRED";
          default -> UNKNOWN;
        };
        yield gone(deleted.getContextId(), Conversion.fromPosition(deleted.getPosition()), reason);
      }
      case ABSENT -> missing(message.getAbsent().getContextId());
      case CAUGHT_UP -> {
        List<WatchEvent> events = new ArrayList<>();
        for (String id : List.copyOf(omitted)) events.addAll(missing(id));
        events.add(new WatchEvent.CaughtUp());
        yield events;
      }
      default -> List.of();
    };
  }

  /** What was delivered of this context turned out not to fit: the next connection brings the document. */
  void doubt(String id) {
    if (positions.containsKey(id)) doubted.add(id);
  }

  private List<WatchEvent> full(WatchEvent.Full full) {
    String id = full.document().id();
    Position position = full.document().position();
    omitted.remove(id);
    if (position.equals(positions.get(id)) && !doubted.contains(id)) return List.of();
    doubted.remove(id);
    absent.remove(id);
    positions.put(id, position);
    return List.of(full);
  }

  private List<WatchEvent> delta(Delta delta) {
    String id = delta.id();
    Position held = positions.get(id);
    if (held == null || doubted.contains(id) || !fits(held, delta.from())) {
      doubt(id);
      return null;
    }
    omitted.remove(id);
    positions.put(id, delta.to());
    return List.of(new WatchEvent.Changed(delta));
  }

  private List<WatchEvent> gone(String id, Position position, String reason) {
    omitted.remove(id);
    doubted.remove(id);
    if (positions.remove(id) == null) return List.of();
    absent.add(id);
    return List.of(new WatchEvent.Deleted(id, position, reason));
  }

  private List<WatchEvent> missing(String id) {
    Position held = positions.get(id);
    if (held != null) return gone(id, held, UNKNOWN);
    return absent.add(id) ? List.of(new WatchEvent.Absent(id)) : List.of();
  }

  private List<String> covered(Target target) {
    if (!target.isPrefix()) return positions.containsKey(target.name()) ? List.of(target.name()) : List.of();
    return positions.keySet().stream().filter(target::covers).toList();
  }

  /** The caller may have named only a version. */
  private static boolean fits(Position held, Position from) {
    return held.version() == from.version()
        && (held.epoch().isEmpty() || held.epoch().equals(from.epoch()))
        && (held.digest().isEmpty() || held.digest().equals(from.digest()));
  }
}
