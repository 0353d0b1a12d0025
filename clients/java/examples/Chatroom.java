import com.google.gson.Gson;
import dev.chord.ChordClient;
import dev.chord.Edit;
import dev.chord.Mutation;
import dev.chord.Position;
import dev.chord.Presence;
import dev.chord.Replica;
import dev.chord.ReplicaChange;
import dev.chord.Target;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Predicate;

/**
 * A guest in a chat room that guests in other languages share: joins, shows what happens, says a few lines, leaves.
 * {@code make demo} in the root seats five together; alone, after {@code make chatroom}:
 * {@code java -cp target/classes:$(cat target/test.classpath) examples/Chatroom.java [HOST:PORT]}.
 */
public final class Chatroom {
  private static final String ROOM = "room:lobby";
  private static final String NAME = "java";
  private static final List<String> LINES =
      List.of("Hello, Java here.", "To me the room is a record.", "Nothing left to wait() for. Bye!");
  private static final Gson GSON = new Gson();

  /** @param seats how many guests the talk waits for, if anybody set that */
  private record Room(int seats, int joined, Map<String, Guest> participants, List<Message> messages) {
    static Room of(Map<String, Object> document) {
      Room room = GSON.fromJson(GSON.toJsonTree(document), Room.class);
      return new Room(
          room.seats,
          room.joined,
          room.participants == null ? Map.of() : new TreeMap<>(room.participants),
          room.messages == null ? List.of() : room.messages);
    }
  }

  private record Guest(boolean typing) {}

  private record Message(String from, String text) {}

  private static final BlockingQueue<Room> changes = new LinkedBlockingQueue<>();
  private static Room shown = Room.of(Map.of());

  public static void main(String[] args) throws InterruptedException {
    String address = args.length > 0 ? args[0] : "127.0.0.1:50051";
    try (ChordClient client = ChordClient.connect(address);
        Replica replica = Replica.open(client, List.of(Target.id(ROOM)), Chatroom::show)) {
      replica.awaitReady(Duration.ofSeconds(10));

      // Goes when this guest leaves, or soon after it has died.
      Presence presence = client.presence(
          ROOM, List.of("participants", NAME), Map.of("typing", false), Duration.ofSeconds(2));
      client.update(ROOM, Edit.of(Mutation.increment(List.of("joined"), 1)));
      await(room -> room.participants.containsKey(NAME) && room.joined >= room.seats);

      for (String text : LINES) {
        pause();
        client.update(ROOM, typing(true));
        pause();
        Map<String, String> message = Map.of("from", NAME, "text", text);
        client.update(ROOM, typing(false).and(Mutation.append(List.of("messages"), List.of(message))));
      }
      presence.close();

      // The last one to leave made the last change.
      await(room -> room.participants.isEmpty());
      Position at = replica.position(ROOM);
      String document = GSON.toJson(replica.get(ROOM));
      System.out.printf("final %s:%d:%s %s%n", at.epoch(), at.version(), at.digest(), document);
    }
  }

  private static Edit typing(boolean on) {
    return Edit.merge(Map.of("participants", Map.of(NAME, Map.of("typing", on))));
  }

  /** Prints what is new: several changes may have come as one. The replica calls this, always in the same thread. */
  private static void show(ReplicaChange change) {
    if (change.value() == null) return; // the room is gone
    Room room = Room.of(change.value());
    long version = change.position().version();
    String here = String.join(", ", room.participants.keySet());
    List<String> typing =
        room.participants.keySet().stream().filter(name -> room.participants.get(name).typing).toList();
    String suffix = typing.isEmpty() ? "" : "  (typing: " + String.join(", ", typing) + ")";
    for (Message message : room.messages.subList(shown.messages.size(), room.messages.size())) {
      System.out.printf("v%-3d %s: %s%s%n", version, message.from, message.text, suffix);
    }
    if (!room.participants.keySet().equals(shown.participants.keySet())) {
      System.out.printf("v%-3d in the room: %s%n", version, here.isEmpty() ? "no one" : here);
    }
    shown = room;
    changes.add(room);
  }

  private static void await(Predicate<Room> met) throws InterruptedException {
    while (!met.test(changes.take())) {}
  }

  private static void pause() throws InterruptedException {
    Thread.sleep(ThreadLocalRandom.current().nextInt(200, 700));
  }
}
