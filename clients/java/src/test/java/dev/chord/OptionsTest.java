package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.net.URI;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** Each call takes the options that it has. Another one, or those of another call, is an error of the compiler. */
class OptionsTest {
  private static final List<String> COMPILES = List.of(
      // In any order: what all writes have, what some have, what one has.
      "client.set(id, value, SetOptions.builder().ifAbsent().requestId(id).ttl(hour).deadline(hour).returnDelta().build())",
      "client.update(id, edit, UpdateOptions.builder().allowMissing().ifVersion(1).returnFormat(id).requestId(id).build())",
      "client.revert(id, 1, RevertOptions.builder().ifPosition(at).annotations(notes).returnDocument().deadline(hour).build())",
      "client.delete(id, DeleteOptions.builder().allowMissing().ifUnchanged(at, paths).annotations(notes).requestId(id).build())",
      "client.batch(writes, BatchOptions.builder().requestId(id).deadline(hour).build())",
      "Write.set(id, value, Write.SetOptions.builder().ifAbsent().ttl(hour).returnDelta().build())",
      "Write.update(id, edit, Write.UpdateOptions.builder().allowMissing().ifVersion(1).returnOldValues().build())",
      "Write.revert(id, 1, Write.RevertOptions.builder().ifPosition(at).ttl(hour).build())",
      "Write.delete(id, Write.DeleteOptions.builder().ifVersion(1).allowMissing().build())",
      "client.get(id, GetOptions.builder().version(1).at(now).includeExpiries().deadline(hour).build())",
      "client.touch(id, paths, hour, TouchOptions.builder().deadline(hour).build())",
      "client.list(id, ListOptions.builder().includeValues().pageSize(1).deadline(hour).build())",
      "client.sync(id, at, SyncOptions.builder().includeOldValues().format(id).paths(paths).deadline(hour).build())",
      "client.deltas(id, 1, DeltasOptions.builder().includeOldValues().format(id).pageSize(1).deadline(hour).build())",
      "client.blame(id, BlameOptions.builder().paths(paths).pageSize(1).deadline(hour).build())",
      "client.async().set(id, value, SetOptions.builder().ifAbsent().build())",
      "client.async().update(id, edit, UpdateOptions.builder().allowMissing().build())",
      "client.async().edit(id, document -> {}, EditOptions.builder().attempts(2).deadline(hour).build())",
      "client.async().delete(id, DeleteOptions.builder().allowMissing().build())",
      "guarded(SetOptions.builder()).requestId(id).build()",
      "guarded(Write.DeleteOptions.builder()).allowMissing().build()");

  private static final List<String> IS_REFUSED = List.of(
      // An option that the call does not have.
      "SetOptions.builder().allowMissing()",
      "RevertOptions.builder().allowMissing()",
      "DeleteOptions.builder().ttl(hour)",
      "DeleteOptions.builder().returnDocument()",
      "DeleteOptions.builder().returnDelta()",
      "BatchOptions.builder().ifAbsent()",
      "BatchOptions.builder().allowMissing()",
      "BatchOptions.builder().annotations(notes)",
      "BatchOptions.builder().ttl(hour)",
      "BatchOptions.builder().returnDelta()",
      "Write.SetOptions.builder().requestId(id)",
      "Write.SetOptions.builder().deadline(hour)",
      "Write.UpdateOptions.builder().requestId(id)",
      "Write.RevertOptions.builder().allowMissing()",
      "Write.DeleteOptions.builder().deadline(hour)",
      "Write.DeleteOptions.builder().ttl(hour)",
      "GetOptions.builder().includeValues()",
      "GetOptions.builder().paths(paths)",
      "TouchOptions.builder().includeOldValues()",
      "ListOptions.builder().includeOldValues()",
      "ListOptions.builder().version(1)",
      "SyncOptions.builder().pageSize(1)",
      "SyncOptions.builder().includeExpiries()",
      "DeltasOptions.builder().paths(paths)",
      "BlameOptions.builder().includeValues()",
      "EditOptions.builder().ifVersion(1)",
      "EditOptions.builder().requestId(id)",
      "WaitOptions.builder().pageSize(1)",
      "WatchOptions.builder().deadline(hour)",
      // The options of another call.
      "client.set(id, value, UpdateOptions.builder().build())",
      "client.update(id, edit, SetOptions.builder().build())",
      "client.revert(id, 1, SetOptions.builder().build())",
      "client.delete(id, UpdateOptions.builder().build())",
      "client.batch(writes, SetOptions.builder().build())",
      "Write.set(id, value, SetOptions.builder().build())",
      "Write.delete(id, DeleteOptions.builder().build())",
      "client.set(id, value, Write.SetOptions.builder().build())",
      "client.get(id, SyncOptions.builder().build())",
      "client.sync(id, at, GetOptions.builder().build())",
      "client.touch(id, hour, GetOptions.builder().build())",
      "client.list(id, DeltasOptions.builder().build())",
      "client.deltas(id, 1, ListOptions.builder().build())",
      "client.async().set(id, value, UpdateOptions.builder().build())",
      "client.async().get(id, SyncOptions.builder().build())",
      // What is common is no type of its own to make or to pass.
      "client.set(id, value, (WriteOptions) SetOptions.builder().build())",
      "WriteOptions.builder()");

  @Test
  void anOptionThatACallDoesNotHaveIsNotCompiled() {
    String head = """
        import dev.chord.*;
        import java.time.*;
        import java.util.*;
        class Snippets {
          ChordClient client; String id; Map<String, Object> value; Edit edit; Position at; List<Write> writes;
          Duration hour; Instant now; List<List<String>> paths; Map<String, String> notes;
          static <B extends WriteOptions.Builder<B>> B guarded(B options) { return options.ifVersion(1); }
          void run() {
        """;
    List<String> all = Stream.concat(COMPILES.stream(), IS_REFUSED.stream()).toList();
    String code = head + all.stream().map(each -> each + ";\n").collect(Collectors.joining()) + "}\n}\n";
    long first = head.lines().count() + 1;
    DiagnosticCollector<JavaFileObject> found = new DiagnosticCollector<>();
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<String> options = List.of("-proc:none", "-Xmaxerrs", "1000", "-cp", System.getProperty("java.class.path"));
    JavaFileObject source = new SimpleJavaFileObject(URI.create("string:///Snippets.java"), JavaFileObject.Kind.SOURCE) {
      @Override
      public CharSequence getCharContent(boolean ignoreEncodingErrors) {
        return code;
      }
    };
    compiler.getTask(null, null, found, options, null, List.of(source)).call();
    TreeMap<Long, String> refused = new TreeMap<>();
    for (Diagnostic<? extends JavaFileObject> each : found.getDiagnostics()) {
      if (each.getKind() != Diagnostic.Kind.ERROR) continue;
      int index = (int) (each.getLineNumber() - first);
      refused.put(each.getLineNumber(), index >= 0 && index < all.size() ? all.get(index) : each.toString());
    }
    assertEquals(String.join("\n", IS_REFUSED), String.join("\n", refused.values()), found.getDiagnostics()::toString);
  }
}
