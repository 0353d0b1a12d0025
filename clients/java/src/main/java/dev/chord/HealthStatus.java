package dev.chord;

/** What {@link ChordClient#health()} answers: the status of a service by {@code grpc.health.v1}. */
public enum HealthStatus {
  /** One that this client does not know. */
  UNKNOWN,
  /** It takes calls. */
  SERVING,
  /** It starts, stops, or cannot reach its store. */
  NOT_SERVING
}
