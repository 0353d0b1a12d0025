package dev.chord;

import dev.chord.v1.Subscription;
import dev.chord.v1.WatchContextsResponse;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

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

  /** Held, but not in this connection's request: a context without an event until the stream has caught up is gone. */
  private final Set<String> omitted = new HashSet<>();

  /** Did not fit: the next request asks for the document. */
  private final Set<String> doubted = new HashSet<>();

  /** The messages of a batch that has not come whole yet. Nothing else knows of them. */
  private final List<WatchContextsResponse> batch = new ArrayList<>();

  /** @throws ChordException INVALID_ARGUMENT for what cannot be sent */
  Tracker(List<Target> targets, Map<String, Position> known, int knownBytesMax) {
    for (Target target : targets) {
      Values.text(target.isPrefix() ? "prefix" : "context_id", target.name());
      Conditions.toPaths("paths", target.paths());
    }
    for (String id : known.keySet()) Values.text("known", id);
    this.targets = List.copyOf(targets);
    this.positions = new HashMap<>(known);
    this.knownBytesMax = knownBytesMax;
  }

  /** A connection begins: answers the subscriptions to ask for. */
  List<Subscription> connect() {
    batch.clear();
    omitted.clear();
    omitted.addAll(positions.keySet());
    List<Subscription> subscriptions = new ArrayList<>();
    long room = knownBytesMax;
    for (Target target : targets) {
      Subscription.Builder subscription =
          Subscription.newBuilder().addAllPaths(Conditions.toPaths("paths", target.paths()));
      if (target.isPrefix()) subscription.setPrefix(target.name());
      else subscription.setContextId(target.name());
      for (String id : covered(target)) {
        int bytes = id.getBytes(StandardCharsets.UTF_8).length + POSITION_BYTES;
        if (doubted.contains(id) || bytes > room) continue;
        room -= bytes;
        subscription.putKnown(id, Conversion.toPosition(Objects.requireNonNull(positions.get(id))));
        omitted.remove(id);
      }
      subscriptions.add(subscription.build());
    }
    return subscriptions;
  }

  /**
   * A message: answers the events to deliver, of a batch all at once with its last message; null where it leaves a gap,
   * and the watch must connect again.
   */
  @Nullable List<WatchEvent> take(WatchContextsResponse message) {
    if (message.getMore()) {
      batch.add(message);
      return List.of();
    }
    if (batch.isEmpty() || message.hasHeartbeat() || message.hasClosing()) return single(message);
    List<WatchContextsResponse> whole = new ArrayList<>(batch);
    whole.add(message);
    batch.clear();
    return whole(whole);
  }

  private @Nullable List<WatchEvent> whole(List<WatchContextsResponse> messages) {
    List<Before> before = messages.stream().map(Tracker::contextId).map(this::before).toList();
    List<WatchEvent> events = new ArrayList<>();
    for (WatchContextsResponse message : messages) {
      @Nullable List<WatchEvent> more = single(message);
      if (more == null) {
        // The context that did not fit stays doubted: the next connection brings its document.
        for (int i = before.size() - 1; i >= 0; i--) restore(before.get(i));
        return null;
      }
      events.addAll(more);
    }
    // The last message may have been swallowed: then another event is the last one.
    for (int i = 0; i < events.size() - 1; i++) events.set(i, followed(events.get(i)));
    return events;
  }

  /** What was held of a context before a batch. */
  private record Before(String id, @Nullable Position position, boolean absent, boolean doubted) {}

  private Before before(String id) {
    return new Before(id, positions.get(id), absent.contains(id), doubted.contains(id));
  }

  private void restore(Before before) {
    if (before.position != null) positions.put(before.id, before.position);
    else positions.remove(before.id);
    if (before.absent) absent.add(before.id);
    else absent.remove(before.id);
    if (before.doubted) doubted.add(before.id);
  }

  /** Empty where a message is of no context. */
  private static String contextId(WatchContextsResponse message) {
    return switch (message.getEventCase()) {
      case FULL -> message.getFull().getContext().getContextId();
      case DELTA -> message.getDelta().getContextId();
      case DELETED -> message.getDeleted().getContextId();
      case ABSENT -> message.getAbsent().getContextId();
      default -> "";
    };
  }

  private static WatchEvent followed(WatchEvent event) {
    if (event instanceof WatchEvent.Full full) return new WatchEvent.Full(full.document(), full.reason(), true);
    if (event instanceof WatchEvent.Changed changed) return new WatchEvent.Changed(changed.delta(), true);
    if (event instanceof WatchEvent.Deleted deleted) {
      return new WatchEvent.Deleted(deleted.id(), deleted.position(), deleted.reason(), true);
    }
    return event;
  }

  private @Nullable List<WatchEvent> single(WatchContextsResponse message) {
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

  private @Nullable List<WatchEvent> delta(Delta delta) {
    String id = delta.id();
    Position held = positions.get(id);
    if (held == null || doubted.contains(id) || !fits(held, delta.from())) {
      doubt(id);
      return null;
    }
    omitted.remove(id);
    positions.put(id, delta.to());
    return List.of(new WatchEvent.Changed(delta, false));
  }

  private List<WatchEvent> gone(String id, Position position, String reason) {
    omitted.remove(id);
    doubted.remove(id);
    if (positions.remove(id) == null) return List.of();
    absent.add(id);
    return List.of(new WatchEvent.Deleted(id, position, reason, false));
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
