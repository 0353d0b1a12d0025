/**
 * The client of Chord: versioned JSON documents over gRPC. {@link dev.chord.ChordClient} has the calls,
 * {@link dev.chord.Watch} tells what happens to contexts and resumes by itself, {@link dev.chord.Replica} keeps a live
 * local copy. A write may name what it rests on ({@link dev.chord.WriteOptions}); {@link dev.chord.ChordClient#edit} does so for a
 * function of the document. Documents are maps with string keys of null, booleans, doubles, strings, lists and maps; other numbers
 * may be sent, and become doubles. Generated messages and stubs are in {@code dev.chord.v1}.
 */
@NullMarked
package dev.chord;

import org.jspecify.annotations.NullMarked;
