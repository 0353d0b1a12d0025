package dev.chord;

/**
 * What a wait answers.
 *
 * @param result what a copy at the known position lacks, up to the version that met the checks or to a later one
 * @param heldAt the first version after the known position that met the checks; without one, that of {@code result}
 */
public record WaitResult(SyncResult result, long heldAt) {}
