package dev.chord;

import dev.chord.v1.FullReason;
import dev.chord.v1.Path;
import dev.chord.v1.UnmetCondition;
import dev.chord.v1.UnmetConditions;
import java.util.ArrayList;
import java.util.List;

/** Conditions from and to messages. */
final class Conditions {
  private Conditions() {}

  /**
   * @param field of the request: where the paths of errors begin
   * @throws ChordException INVALID_ARGUMENT for what cannot be sent
   */
  static List<dev.chord.v1.Check> toChecks(String field, List<Check> checks) {
    List<dev.chord.v1.Check> messages = new ArrayList<>(checks.size());
    for (Check check : checks) messages.add(toCheck(field + "[" + messages.size() + "]", check));
    return messages;
  }

  private static dev.chord.v1.Check toCheck(String field, Check check) {
    dev.chord.v1.Check.Builder message = dev.chord.v1.Check.newBuilder().setPath(toPath(field + ".path", check.path()));
    if (check instanceof Check.Equal equal) {
      message.setEquals(Values.toValue(field + ".equals", equal.value()));
    } else if (check instanceof Check.AtLeast limited) {
      message.setAtLeast(number(field + ".at_least", limited.limit()));
    } else if (check instanceof Check.AtMost limited) {
      message.setAtMost(number(field + ".at_most", limited.limit()));
    } else if (check instanceof Check.Unknown) {
      throw Errors.unsendable(field, "has no test that can be sent");
    } else {
      message.setExists(check instanceof Check.Exists);
    }
    return message.build();
  }

  private static double number(String field, double limit) {
    return Values.toValue(field, limit).getNumberValue();
  }

  static List<Path> toPaths(String field, List<List<String>> paths) {
    List<Path> messages = new ArrayList<>(paths.size());
    for (List<String> path : paths) messages.add(toPath(field + "[" + messages.size() + "]", path));
    return messages;
  }

  private static Path toPath(String field, List<String> path) {
    Path.Builder message = Path.newBuilder();
    path.forEach(key -> message.addKeys(Values.text(field, key)));
    return message.build();
  }

  static UnmetConditionsException.Unmet fromUnmet(UnmetConditions unmet) {
    boolean comparable = unmet.getSinceReason() == FullReason.FULL_REASON_UNSPECIFIED;
    return new UnmetConditionsException.Unmet(
        unmet.hasCurrent() ? Conversion.fromPosition(unmet.getCurrent()) : null,
        comparable ? null : Conversion.reason(unmet.getSinceReason().name()),
        unmet.getConditionsList().stream().map(Conditions::fromCondition).toList());
  }

  private static UnmetConditionsException.Condition fromCondition(UnmetCondition condition) {
    List<String> path = List.copyOf(condition.getPath().getKeysList());
    return switch (condition.getCauseCase()) {
      case TOUCHED_AT -> new UnmetConditionsException.Touched(
          path, condition.getTouchedAt(), condition.getAuthor().isEmpty() ? null : condition.getAuthor());
      case CHECK -> new UnmetConditionsException.Failed(fromCheck(condition.getCheck()));
      default -> new UnmetConditionsException.Unknown(path);
    };
  }

  private static Check fromCheck(dev.chord.v1.Check check) {
    List<String> path = List.copyOf(check.getPath().getKeysList());
    return switch (check.getTestCase()) {
      case EQUALS -> new Check.Equal(path, Values.fromValue(check.getEquals()));
      case EXISTS -> check.getExists() ? new Check.Exists(path) : new Check.Missing(path);
      case AT_LEAST -> new Check.AtLeast(path, check.getAtLeast());
      case AT_MOST -> new Check.AtMost(path, check.getAtMost());
      default -> new Check.Unknown(path);
    };
  }
}
