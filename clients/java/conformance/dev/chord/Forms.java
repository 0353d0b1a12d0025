package dev.chord;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** The client's words as the driver's JSON. */
final class Forms {
  private Forms() {}

  /** Names and values by turns. */
  static Map<String, Object> form(Object... members) {
    Map<String, Object> form = new LinkedHashMap<>();
    for (int i = 0; i < members.length; i += 2) form.put((String) members[i], members[i + 1]);
    return form;
  }

  static <T> List<Map<String, Object>> all(List<T> items, Function<T, Map<String, Object>> form) {
    return items.stream().map(form).toList();
  }

  static Map<String, Object> position(Position position) {
    if (position == null) return null;
    return form("epoch", position.epoch(), "version", position.version(), "digest", position.digest());
  }

  static Map<String, Object> document(Document document) {
    if (document == null) return null;
    return form(
        "contextId", document.id(), "value", document.value(), "position", position(document.position()));
  }

  static Map<String, Object> delta(Delta delta) {
    if (delta == null) return null;
    Map<String, Object> form = form(
        "contextId", delta.id(),
        "from", position(delta.from()),
        "to", position(delta.to()),
        "changes", all(delta.changes(), Forms::change));
    if (delta.provenance() != null) form.put("provenance", provenance(delta.provenance()));
    if (delta.formatted() != null) form.put("formatted", delta.formatted());
    if (delta.inexpressible() != null) form.put("inexpressible", delta.inexpressible());
    return form;
  }

  private static Map<String, Object> provenance(Provenance provenance) {
    Map<String, Object> form = form("author", provenance.author(), "annotations", provenance.annotations());
    if (provenance.expired()) form.put("cause", "expired");
    return form;
  }

  static Map<String, Object> line(BlameLine line) {
    Map<String, Object> form = form("path", line.path(), "value", line.value(), "version", line.version());
    if (line.run() != null) form.put("run", form("index", line.run().index(), "count", line.run().count()));
    if (line.provenance() != null) form.put("provenance", provenance(line.provenance()));
    return form;
  }

  private static Map<String, Object> change(Change change) {
    Map<String, Object> form = form("action", change.getClass().getSimpleName().toLowerCase(), "path", change.path());
    if (change instanceof Change.Added added) {
      form.put("value", added.value());
    } else if (change instanceof Change.Modified modified) {
      form.put("value", modified.value());
      if (modified.hasOld()) form.put("old", modified.old());
    } else if (change instanceof Change.Removed removed) {
      if (removed.hasOld()) form.put("old", removed.old());
    } else if (change instanceof Change.Spliced spliced) {
      form.put("index", spliced.index());
      form.put("removedCount", spliced.removedCount());
      form.put("inserted", spliced.inserted());
      if (!spliced.removed().isEmpty()) form.put("removed", spliced.removed());
    } else if (change instanceof Change.TextSpliced spliced) {
      form.put("action", "text_spliced");
      form.put("index", spliced.index());
      form.put("removedCount", spliced.removedCount());
      form.put("inserted", spliced.inserted());
      if (!spliced.removed().isEmpty()) form.put("removed", spliced.removed());
    }
    return form;
  }

  static Map<String, Object> event(WatchEvent event) {
    Map<String, Object> form = plainEvent(event);
    if (event.more()) form.put("more", true);
    return form;
  }

  private static Map<String, Object> plainEvent(WatchEvent event) {
    if (event instanceof WatchEvent.Full full) return full(full);
    if (event instanceof WatchEvent.Changed changed) return changed(changed);
    if (event instanceof WatchEvent.Deleted gone) {
      return form(
          "event", "deleted", "contextId", gone.id(), "position", position(gone.position()), "reason", gone.reason());
    }
    if (event instanceof WatchEvent.Absent absent) return form("event", "absent", "contextId", absent.id());
    return form("event", "caughtUp");
  }

  static Map<String, Object> syncResult(SyncResult result) {
    if (result instanceof WatchEvent.Full full) return full(full);
    if (result instanceof WatchEvent.Changed changed) return changed(changed);
    return form("event", "noChange", "position", position(((SyncResult.NoChange) result).position()));
  }

  private static Map<String, Object> full(WatchEvent.Full full) {
    Map<String, Object> form = form("event", "full", "reason", full.reason());
    form.putAll(document(full.document()));
    return form;
  }

  private static Map<String, Object> changed(WatchEvent.Changed changed) {
    Map<String, Object> form = form("event", "delta");
    form.putAll(delta(changed.delta()));
    return form;
  }

  static Map<String, Object> written(WriteResult result) {
    return written(result.position(), result.changed(), result.document(), result.delta());
  }

  static Map<String, Object> written(Write.Result result) {
    return written(result.position(), result.changed(), result.document(), result.delta());
  }

  private static Map<String, Object> written(Position position, boolean changed, Document document, Delta delta) {
    return form("position", position(position), "changed", changed, "context", document(document), "delta", delta(delta));
  }

  static Map<String, Object> error(Throwable error) {
    if (error instanceof DeltaMismatchException) return error("DELTA_MISMATCH", error.getMessage());
    if (!(error instanceof ChordException failed)) return error("DRIVER", error.toString());
    Map<String, Object> form = error(failed.reason(), failed.getMessage());
    form.put(
        "violations",
        all(failed.violations(), each -> form("field", each.field(), "description", each.description())));
    form.put("contextId", failed.contextId());
    if (failed.retryAfter() != null) form.put("retryAfter", failed.retryAfter().toMillis());
    if (failed.mismatch() != null) form.put("current", position(failed.mismatch().current()));
    if (failed instanceof UnmetConditionsException unmet) {
      form.put("current", position(unmet.current()));
      form.put(
          "unmet", form("sinceReason", unmet.sinceReason(), "conditions", all(unmet.conditions(), Forms::condition)));
    }
    return form;
  }

  static Map<String, Object> condition(UnmetConditionsException.Condition condition) {
    Map<String, Object> form = form("path", condition.path());
    if (condition instanceof UnmetConditionsException.Touched touched) form.put("touchedAt", touched.version());
    if (condition instanceof UnmetConditionsException.Failed failed && !(failed.check() instanceof Check.Unknown)) {
      form.put("check", check(failed.check()));
    }
    return form;
  }

  private static Map<String, Object> check(Check check) {
    Map<String, Object> form = form("path", check.path());
    if (check instanceof Check.Equal equal) form.put("equals", equal.value());
    else if (check instanceof Check.AtLeast limited) form.put("atLeast", limited.limit());
    else if (check instanceof Check.AtMost limited) form.put("atMost", limited.limit());
    else form.put("exists", check instanceof Check.Exists);
    return form;
  }

  static Map<String, Object> error(String reason, String message) {
    return form("reason", reason, "message", message, "violations", List.of());
  }
}
