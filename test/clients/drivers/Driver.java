import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.MethodDescriptor;
import io.grpc.ServiceDescriptor;
import io.grpc.stub.ClientCalls;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import sheaf.Client;
import sheaf.GetOptions;
import sheaf.LocalFile;
import sheaf.PutOptions;
import sheaf.Sheaf;
import sheaf.SheafException;
import sheaf.WatchOptions;
import sheaf.api.v1.*;

/** Cases come as lines of JSON on standard input, answers go as lines of JSON to standard output; see ../README.md. */
public class Driver {
  static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();
  static final Map<String, Client> clients = new ConcurrentHashMap<>();
  static final Map<Integer, Context.CancellableContext> running = new ConcurrentHashMap<>();
  static final Map<String, ServiceDescriptor> SERVICES =
      Map.of(
          "repo", RepoServiceGrpc.getServiceDescriptor(),
          "file", FileServiceGrpc.getServiceDescriptor(),
          "pipeline", PipelineServiceGrpc.getServiceDescriptor(),
          "job", JobServiceGrpc.getServiceDescriptor(),
          "datum", DatumServiceGrpc.getServiceDescriptor(),
          "cluster", ClusterServiceGrpc.getServiceDescriptor());

  static synchronized void say(int id, String key, JsonElement value) {
    var words = new JsonObject();
    words.addProperty("id", id);
    words.add(key, value);
    System.out.println(GSON.toJson(words));
  }

  record Step(JsonObject json) {
    String text(String name, String otherwise) {
      return json.has(name) ? json.get(name).getAsString() : otherwise;
    }

    String text(String name) {
      return json.get(name).getAsString();
    }
  }

  @SuppressWarnings("unchecked")
  static JsonElement call(Client client, Step step) throws Exception {
    var name = step.text("method").split("\\.");
    var service = SERVICES.get(name[0]);
    var method =
        (MethodDescriptor<Message, Message>)
            service.getMethods().stream().filter(each -> each.getBareMethodName().equals(name[1])).findFirst().orElseThrow();
    var marshaller = (MethodDescriptor.PrototypeMarshaller<Message>) method.getRequestMarshaller();
    var request = marshaller.getMessagePrototype().toBuilder();
    if (step.json.has("request")) JsonFormat.parser().merge(GSON.toJson(step.json.get("request")), request);
    var answer =
        client.call(
            () -> ClientCalls.blockingUnaryCall(client.channel(), method, CallOptions.DEFAULT, request.build()));
    return JsonParser.parseString(JsonFormat.printer().preservingProtoFieldNames().print(answer));
  }

  static JsonElement counts(Job job) {
    return GSON.toJsonTree(
        Map.of(
            "state", job.getState().name(),
            "total", job.getDataTotal(),
            "done", job.getDataProcessed(),
            "failed", job.getDataFailed()));
  }

  static JsonElement act(Client client, Step step, Consumer<String> tell) throws Exception {
    var pipeline = step.text("pipeline", "");
    var options = new WatchOptions().firstJob(Duration.ofSeconds(30));
    if (step.json.has("unreachable")) options.unreachable(Duration.ofMillis((long) (step.json.get("unreachable").getAsDouble() * 1_000)));
    switch (step.text("op")) {
      case "call":
        return call(client, step);
      case "submit":
        return GSON.toJsonTree(client.submit(Sheaf.readSpec(Path.of(step.text("file")))).getName());
      case "run":
        return GSON.toJsonTree(client.run(pipeline).getId());
      case "put":
        {
          var more = new PutOptions().under(step.text("under", "/")).requestId(step.text("request_id", ""));
          if (step.json.has("named")) {
            var files = new java.util.ArrayList<LocalFile>();
            for (var each : step.json.getAsJsonObject("named").entrySet())
              files.add(new LocalFile(each.getKey(), Path.of(each.getValue().getAsString())));
            return GSON.toJsonTree(Map.of("files", client.putFiles(step.text("repo"), step.text("branch"), files, more).files()));
          }
          if (step.json.has("progress")) more.onProgress(progress -> tell.accept("sending"));
          var done = client.putFolder(step.text("repo"), step.text("branch", ""), Path.of(step.text("folder")), more);
          var commit = done.commit();
          return GSON.toJsonTree(
              Map.of("files", done.files(), "bytes", done.bytes(), "links", done.skippedLinks(),
                  "commit", commit.getId(), "in_commit", commit.getFiles()));
        }
      case "close":
        client.close();
        client.close();
        return GSON.toJsonTree(true);
      case "get":
        {
          if (step.json.has("file")) {
            var target = Path.of(step.text("file"));
            return GSON.toJsonTree(client.getFile(step.text("repo"), step.text("ref"), step.text("path"), target, new GetOptions()));
          }
          var where = new GetOptions().path(step.text("path", "/"));
          return GSON.toJsonTree(client.getFolder(step.text("repo"), step.text("ref"), Path.of(step.text("folder")), where));
        }
      case "read":
        {
          var seen = MessageDigest.getInstance("SHA-256");
          var size = new long[1];
          client.readFile(step.text("repo"), step.text("ref"), step.text("path"), piece -> { seen.update(piece); size[0] += piece.length; });
          return GSON.toJsonTree(Map.of("bytes", size[0], "sha256", HexFormat.of().formatHex(seen.digest())));
        }
      case "watch":
        {
          var last = new Job[1];
          client.watchJob(pipeline, step.text("job", ""), options, job -> { last[0] = job; tell.accept(job.getState().name()); });
          return counts(last[0]);
        }
      case "wait":
        var timeout = Duration.ofMillis((long) (step.json.get("timeout").getAsDouble() * 1_000));
        return counts(client.waitJob(pipeline, step.text("job", ""), options.timeout(timeout)));
      case "follow":
        {
          var lines = new int[1];
          var request = GetLogsRequest.newBuilder().setPipeline(pipeline).setJob(step.text("job")).build();
          client.followLogs(request, options, line -> { lines[0]++; tell.accept(line.getText().toStringUtf8()); });
          return GSON.toJsonTree(lines[0]);
        }
      case "datums":
        {
          var rows = new JsonArray();
          for (Datum datum : client.datums(ListDatumsRequest.newBuilder().setPipeline(pipeline).build())) {
            var row = new JsonArray();
            row.add(datum.getIndex());
            row.add(datum.getState().name());
            datum.getInputsList().forEach(row::add);
            rows.add(row);
          }
          return rows;
        }
      case "logs":
        {
          var rows = new JsonArray();
          client.logs(GetLogsRequest.newBuilder().setPipeline(pipeline).build(),
              line -> rows.add(GSON.toJsonTree(List.of(line.getDatum(), line.getText().toStringUtf8()))));
          return rows;
        }
      default:
        throw new IllegalArgumentException(step.text("op"));
    }
  }

  static void run(int id, Step step) {
    try {
      var client = clients.computeIfAbsent(step.text("address"), Sheaf::connect);
      say(id, "ok", act(client, step, event -> say(id, "event", GSON.toJsonTree(event))));
    } catch (SheafException error) {
      var fields = error.details().stream().map(each -> each.field()).toList();
      say(id, "error", GSON.toJsonTree(
          Map.of("code", error.code().name(), "reason", error.reason(), "fields", fields, "message", error.getMessage())));
    } catch (Exception error) {
      say(id, "error", GSON.toJsonTree(Map.of("code", "NOT_OURS", "reason", "", "fields", List.of(), "message", error.toString())));
    }
  }

  public static void main(String[] args) throws Exception {
    System.setOut(new java.io.PrintStream(System.out, true, StandardCharsets.UTF_8));
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line; (line = lines.readLine()) != null; ) {
      var step = new Step(JsonParser.parseString(line).getAsJsonObject());
      if (step.text("op").equals("cancel")) {
        running.get(step.json.get("target").getAsInt()).cancel(null);
        continue;
      }
      int id = step.json.get("id").getAsInt();
      var context = Context.ROOT.withCancellation();
      running.put(id, context);
      var thread = new Thread(context.wrap(() -> run(id, step)));
      thread.setDaemon(true);
      thread.start();
    }
  }
}
