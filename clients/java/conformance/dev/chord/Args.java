package dev.chord;

import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The arguments of an op, in the client's words. */
record Args(Map<String, Object> members) {
  boolean has(String name) {
    return members.get(name) != null;
  }

  boolean flag(String name) {
    return Boolean.TRUE.equals(members.get(name));
  }

  String text(String name) {
    return (String) members.get(name);
  }

  long number(String name, long otherwise) {
    return has(name) ? ((Double) members.get(name)).longValue() : otherwise;
  }

  Duration millis(String name, Long otherwise) {
    if (has(name)) return Duration.ofNanos((long) ((Double) members.get(name) * 1e6));
    return otherwise != null ? Duration.ofMillis(otherwise) : null;
  }

  byte[] bytes(String name) {
    return has(name) ? Base64.getDecoder().decode(text(name)) : null;
  }

  Args sub(String name) {
    return new Args(has(name) ? Json.map(members.get(name)) : Map.of());
  }

  Map<String, Object> map(String name) {
    return Json.map(members.get(name));
  }

  private Map<String, String> texts(String name) {
    Map<String, String> texts = new LinkedHashMap<>();
    map(name).forEach((key, value) -> texts.put(key, (String) value));
    return texts;
  }

  List<Args> each(String name) {
    if (!has(name)) return List.of();
    return Json.list(members.get(name)).stream().map(Json::map).map(Args::new).toList();
  }

  List<Target> targets() {
    return each("targets").stream()
        .map(each -> (each.has("id") ? Target.id(each.text("id")) : Target.prefix(each.text("prefix")))
            .only(each.paths("paths")))
        .toList();
  }

  Position position(String name) {
    if (!has(name)) return null;
    Args position = sub(name);
    return new Position(position.text("epoch"), position.number("version", 0), position.text("digest"));
  }

  Map<String, Position> positions(String name) {
    Args all = sub(name);
    Map<String, Position> positions = new LinkedHashMap<>();
    all.members.keySet().forEach(id -> positions.put(id, all.position(id)));
    return positions;
  }

  SetOptions setOptions() {
    SetOptions.Builder options = storing(SetOptions.builder());
    if (has("requestId")) options.requestId(text("requestId"));
    return options.build();
  }

  UpdateOptions updateOptions() {
    UpdateOptions.Builder options = storing(UpdateOptions.builder());
    if (has("requestId")) options.requestId(text("requestId"));
    if (flag("allowMissing")) options.allowMissing();
    return options.build();
  }

  RevertOptions revertOptions() {
    RevertOptions.Builder options = storing(RevertOptions.builder());
    if (has("requestId")) options.requestId(text("requestId"));
    return options.build();
  }

  DeleteOptions deleteOptions() {
    DeleteOptions.Builder options = conditions(DeleteOptions.builder());
    if (has("requestId")) options.requestId(text("requestId"));
    if (flag("allowMissing")) options.allowMissing();
    return options.build();
  }

  BatchOptions batchOptions() {
    BatchOptions.Builder options = BatchOptions.builder();
    if (has("requestId")) options.requestId(text("requestId"));
    return options.build();
  }

  private <B extends WriteOptions.StoringBuilder<B>> B storing(B options) {
    if (has("ttl")) options.ttl(millis("ttl", null));
    Args returning = sub("returning");
    if (returning.flag("context")) options.returnDocument();
    if (returning.flag("delta")) options.returnDelta();
    if (returning.flag("oldValues")) options.returnOldValues();
    if (returning.has("format")) options.returnFormat(returning.text("format"));
    return conditions(options);
  }

  private <B extends WriteOptions.Builder<B>> B conditions(B options) {
    Args expected = sub("expected");
    if (expected.has("position")) options.ifPosition(expected.position("position"));
    if (expected.has("version")) options.ifVersion(expected.number("version", 0));
    if (expected.flag("absent")) options.ifAbsent();
    Args unchanged = expected.sub("unchanged");
    if (unchanged.has("since")) options.ifUnchanged(unchanged.position("since"), unchanged.paths("paths"));
    if (has("checks")) options.ifChecks(checks("checks").toArray(Check[]::new));
    if (has("annotations")) options.annotations(texts("annotations"));
    return options;
  }

  Write write() {
    String id = text("contextId");
    return switch (text("op")) {
      case "set" -> Write.set(id, map("value"), storing(Write.SetOptions.builder()).build());
      case "update" -> Write.update(id, edit(), batchedUpdate());
      case "revert" -> Write.revert(id, number("version", 0), storing(Write.RevertOptions.builder()).build());
      case "delete" -> Write.delete(id, batchedDelete());
      default -> Write.touch(id, millis("ttl", null));
    };
  }

  private Write.UpdateOptions batchedUpdate() {
    Write.UpdateOptions.Builder options = storing(Write.UpdateOptions.builder());
    if (flag("allowMissing")) options.allowMissing();
    return options.build();
  }

  private Write.DeleteOptions batchedDelete() {
    Write.DeleteOptions.Builder options = conditions(Write.DeleteOptions.builder());
    if (flag("allowMissing")) options.allowMissing();
    return options.build();
  }

  GetOptions getOptions() {
    GetOptions.Builder options = GetOptions.builder();
    if (flag("includeExpiries")) options.includeExpiries();
    if (has("version")) options.version(number("version", 0));
    if (has("at")) options.at(Instant.ofEpochMilli(number("at", 0)));
    return options.build();
  }

  SyncOptions syncOptions() {
    SyncOptions.Builder options = SyncOptions.builder();
    if (flag("includeOldValues")) options.includeOldValues();
    if (has("format")) options.format(text("format"));
    if (has("paths")) options.paths(paths("paths"));
    return options.build();
  }

  DeltasOptions deltasOptions() {
    DeltasOptions.Builder options = DeltasOptions.builder();
    if (flag("includeOldValues")) options.includeOldValues();
    if (has("format")) options.format(text("format"));
    if (has("pageSize")) options.pageSize((int) number("pageSize", 0));
    return options.build();
  }

  Edit edit() {
    List<Mutation> mutations = each("mutations").stream().map(Args::mutation).toList();
    return new Edit(has("changes") ? map("changes") : null, mutations);
  }

  List<String> path() {
    return path(members.get("path"));
  }

  List<List<String>> paths(String name) {
    return has(name) ? Json.list(members.get(name)).stream().map(Args::path).toList() : List.of();
  }

  private static List<String> path(Object keys) {
    return Json.list(keys).stream().map(String.class::cast).toList();
  }

  List<Check> checks(String name) {
    return each(name).stream().map(Args::check).toList();
  }

  private Check check() {
    if (members.containsKey("equals")) return Check.equalTo(path(), members.get("equals"));
    if (has("atLeast")) return Check.atLeast(path(), (Double) members.get("atLeast"));
    if (has("atMost")) return Check.atMost(path(), (Double) members.get("atMost"));
    return flag("exists") ? Check.exists(path()) : Check.missing(path());
  }

  EditOptions editOptions() {
    EditOptions.Builder options = EditOptions.builder();
    if (flag("allowMissing")) options.allowMissing();
    if (has("annotations")) options.annotations(texts("annotations"));
    if (has("ttl")) options.ttl(millis("ttl", null));
    Args returning = sub("returning");
    if (returning.flag("context")) options.returnDocument();
    if (returning.flag("delta")) options.returnDelta();
    if (has("attempts")) options.attempts((int) number("attempts", 0));
    if (members.get("reads") instanceof List<?>) options.reads(paths("reads"));
    else if (has("reads")) options.readsDocument();
    return options.build();
  }

  private Mutation mutation() {
    List<String> path = path();
    if (members.containsKey("set")) return Mutation.set(path, members.get("set"));
    if (has("increment")) return Mutation.increment(path, (Double) members.get("increment"));
    if (has("append")) return Mutation.append(path, Json.list(members.get("append")));
    if (flag("remove")) return Mutation.remove(path);
    if (has("appendText")) return Mutation.appendText(path, (String) members.get("appendText"));
    if (has("spliceText")) {
      Args edit = sub("spliceText");
      int index = (int) edit.number("index", 0);
      int removeCount = (int) edit.number("removeCount", 0);
      return Mutation.spliceText(path, index, removeCount, (String) edit.members.get("insert"));
    }
    Args splice = sub("splice");
    int index = (int) splice.number("index", 0);
    int removeCount = (int) splice.number("removeCount", 0);
    return Mutation.splice(path, index, removeCount, Json.list(splice.members.get("insert")));
  }
}
