package sheaf;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;
import sheaf.api.v1.Page;

/** Pages as one list. Leaving the loop asks for no more. */
final class Rows {
  private static final int PAGE_SIZE = 1_000;

  private Rows() {}

  static <A, R> Iterable<R> of(Function<Page, A> call, Function<A, List<R>> rows, Function<A, String> nextToken) {
    return () ->
        new Iterator<>() {
          private Iterator<R> page = List.<R>of().iterator();
          private String token = "";
          private boolean isLast;

          @Override
          public boolean hasNext() {
            while (!page.hasNext() && !isLast) {
              A answer = call.apply(Page.newBuilder().setSize(PAGE_SIZE).setToken(token).build());
              page = rows.apply(answer).iterator();
              token = nextToken.apply(answer);
              isLast = token.isEmpty();
            }
            return page.hasNext();
          }

          @Override
          public R next() {
            if (!hasNext()) throw new NoSuchElementException();
            return page.next();
          }
        };
  }
}
