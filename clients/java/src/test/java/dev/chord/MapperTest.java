package dev.chord;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MapperTest extends Live {
  record Room(String topic, List<Member> members) {}

  record Member(String name, int age) {}

  /** As a program would write it. */
  private static final class Jackson implements DocumentMapper {
    private final ObjectMapper mapper = new ObjectMapper();

    @Override
    public <T> T fromDocument(Map<String, Object> document, Class<T> type) {
      try {
        return mapper.convertValue(document, type);
      } catch (IllegalArgumentException e) {
        throw DocumentMapper.refusal(pathOf(e.getCause()), e.getMessage());
      }
    }

    @Override
    public Map<String, Object> toDocument(Object value) {
      return mapper.convertValue(value, new TypeReference<>() {});
    }

    private static String pathOf(Throwable cause) {
      if (!(cause instanceof JsonMappingException problem)) return "";
      StringBuilder path = new StringBuilder();
      for (JsonMappingException.Reference step : problem.getPath()) {
        if (step.getFieldName() != null) path.append('.').append(step.getFieldName());
        else path.append('[').append(step.getIndex()).append(']');
      }
      return path.toString();
    }
  }

  @Test
  void recordsThereAndBack() {
    DocumentMapper mapper = new Jackson();
    Room room = new Room("t", List.of(new Member("ann", 30)));
    client.set(id("a"), room, mapper);
    assertEquals(room, client.get(id("a"), Room.class, mapper));
    try (Replica replica = copy(List.of(Target.id(id("a"))))) {
      assertEquals(room, replica.get(id("a"), Room.class, mapper));
    }
    client.set(id("a"), json("{'topic':'t','members':[{'name':'bo','age':'old'}]}"));
    ChordException refused = fails("INVALID_ARGUMENT", () -> client.get(id("a"), Room.class, mapper));
    assertEquals("value.members[0].age", refused.violations().get(0).field());
  }
}
