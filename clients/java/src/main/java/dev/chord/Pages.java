package dev.chord;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** A list that is read page after page, as it is iterated; anew each time. */
final class Pages<P, T> implements Iterable<T> {
  private final Function<String, P> fetch;
  private final Function<P, String> nextToken;
  private final Function<P, List<T>> items;

  /**
   * @param fetch from a page's token to the page; the first one's is empty
   * @param nextToken empty: this is the last page
   */
  Pages(Function<String, P> fetch, Function<P, String> nextToken, Function<P, List<T>> items) {
    this.fetch = fetch;
    this.nextToken = nextToken;
    this.items = items;
  }

  @Override
  public Iterator<T> iterator() {
    return new Iterator<>() {
      private Iterator<T> page = List.<T>of().iterator();
      private String token = "";
      private boolean begun;

      @Override
      public boolean hasNext() {
        while (!page.hasNext()) {
          if (begun && token.isEmpty()) return false;
          P next = fetch.apply(token);
          begun = true;
          token = nextToken.apply(next);
          page = items.apply(next).iterator();
        }
        return true;
      }

      @Override
      public T next() {
        if (!hasNext()) throw new NoSuchElementException();
        return page.next();
      }
    };
  }
}
