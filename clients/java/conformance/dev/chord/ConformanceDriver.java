package dev.chord;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeoutException;

/** The driver of the conformance suite for this client: see test/conformance/PROTOCOL.md. */
final class ConformanceDriver {
  private interface Op {
    Object run(Args args) throws Exception;
  }

  private final Map<String, Op> ops = new HashMap<>();

  private ConformanceDriver() {
    LiveOps live = new LiveOps();
    ops.put("decode", VectorOps::decode);
    ops.put("encode", VectorOps::encode);
    ops.put("apply", VectorOps::apply);
    ops.put("error", VectorOps::error);
    ops.put("track", VectorOps::track);
    ops.put("connect", live::connect);
    ops.put("set", live::set);
    ops.put("revert", live::revert);
    ops.put("batch", live::batch);
    ops.put("update", live::update);
    ops.put("get", live::get);
    ops.put("edit", live::edit);
    ops.put("wait", live::waitFor);
    ops.put("delete", live::delete);
    ops.put("touch", live::touch);
    ops.put("presence", live::presence);
    ops.put("list", live::list);
    ops.put("sync", live::sync);
    ops.put("deltas", live::deltas);
    ops.put("blame", live::blame);
    ops.put("watch", live::watch);
    ops.put("next", live::next);
    ops.put("replica", live::replica);
    ops.put("read", live::read);
    ops.put("seen", live::seen);
    ops.put("ended", live::ended);
    ops.put("burst", live::burst);
    ops.put("close", live::close);
  }

  public static void main(String[] args) throws Exception {
    ConformanceDriver driver = new ConformanceDriver();
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) out.println(driver.answer(line));
    System.exit(0); // whatever is still open
  }

  private String answer(String line) {
    Args args = new Args(Json.map(Json.parse(line)));
    long id = args.number("id", 0);
    try {
      Op op = ops.get(args.text("op"));
      if (op == null) throw new IllegalArgumentException("no op " + args.text("op"));
      return Json.write(Forms.form("id", id, "ok", op.run(args)));
    } catch (TimeoutException e) {
      return Json.write(Forms.form("id", id, "error", Forms.error("TIMEOUT", e.getMessage())));
    } catch (Exception e) {
      if (!(e instanceof ChordException)) e.printStackTrace();
      return Json.write(Forms.form("id", id, "error", Forms.error(e)));
    }
  }
}
