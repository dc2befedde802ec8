import java.nio.file.Path;
import java.time.Duration;
import sheaf.*;
import sheaf.api.v1.*;

public class First {
  public static void main(String[] args) {
    try (var client = Sheaf.connect()) { // SHEAF_ADDRESS; SHEAF_TOKEN and SHEAF_CA if need be
      client.call(() -> client.repo().createRepo(CreateRepoRequest.newBuilder().setName("logs").build()));
      client.putFolder("logs", "master", Path.of("logs"), new PutOptions());
      client.submit(Sheaf.readSpec(Path.of("pipeline.yaml")));
      var options = new WatchOptions().timeout(Duration.ofMinutes(10)).firstJob(Duration.ofSeconds(30));
      System.out.println(client.waitJob("status-codes", "", options).getState());
      for (var datum : client.datums(ListDatumsRequest.newBuilder().setPipeline("status-codes").build()))
        System.out.println(datum.getInputsList());
      client.getFolder("status-codes", "master", Path.of("out"), new GetOptions());
    }
  }
}
