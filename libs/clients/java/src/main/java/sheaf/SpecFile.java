package sheaf;

import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import io.grpc.Status;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;
import org.snakeyaml.engine.v2.schema.CoreSchema;
import sheaf.api.v1.PipelineSpec;

/**
 * A pipeline file as a PipelineSpec, strictly: what nobody knows, or what has the wrong type, is an error with its place. What the fields
 * are is asked of the contract's own descriptors.
 */
final class SpecFile {
  private static final int BYTES_MAX = 1 << 20;
  private static final int NODES_MAX = 100_000;
  private static final int SHOWN = 10;
  private static final Pattern MODULE = Pattern.compile("[^\\n]*\\.[cm]?[jt]s");
  private static final Pattern INTEGER = Pattern.compile("[-+]?[0-9]+");
  private static final Pattern FLOAT = Pattern.compile("[-+]?(\\.[0-9]+|[0-9]+(\\.[0-9]*)?)([eE][-+]?[0-9]+)?");
  private static final Pattern DURATION = Pattern.compile("(\\d+(\\.\\d+)?(ms|s|m|h|d))+");
  private static final Pattern PART = Pattern.compile("(\\d+(?:\\.\\d+)?)(ms|s|m|h|d)");
  private static final Map<String, Double> UNITS = Map.of("ms", 0.001, "s", 1.0, "m", 60.0, "h", 3_600.0, "d", 86_400.0);

  private final String name;
  private final List<FieldViolation> wrong = new ArrayList<>();
  private int nodes;

  private SpecFile(String name) {
    this.name = name;
  }

  static PipelineSpec read(Path file) {
    var name = file.getFileName().toString();
    var spec = new SpecFile(name).parse(text(file, "SPEC_FILE_UNREADABLE", BYTES_MAX));
    var handler = spec.getTransform().getHandler();
    if (!MODULE.matcher(handler).matches()) return spec;
    var module = text(file.resolveSibling(handler), "HANDLER_UNREADABLE", BYTES_MAX / 2);
    return spec.toBuilder().setTransform(spec.getTransform().toBuilder().setHandler(module)).build();
  }

  private static String text(Path path, String reason, int limit) {
    var shown = LocalFiles.shown(path.toString());
    try {
      if (Files.size(path) > limit) throw invalid(reason, "%s has more than %d bytes".formatted(shown, limit));
      return Files.readString(path);
    } catch (CharacterCodingException error) {
      throw invalid(reason, shown + " is not UTF-8");
    } catch (IOException error) {
      throw invalid(reason, "cannot read %s: %s".formatted(shown, LocalFiles.why(error)));
    }
  }

  private static SheafException invalid(String reason, String message) {
    return new SheafException(Status.Code.INVALID_ARGUMENT, reason, message);
  }

  private static SheafException invalid(String message) {
    return invalid("SPEC_FILE_INVALID", message);
  }

  private PipelineSpec parse(String text) {
    try {
      var settings = LoadSettings.builder().setSchema(new CoreSchema()).setAllowDuplicateKeys(true).build();
      var root = new Compose(settings).composeString(text).orElseThrow(() -> invalid(name + ":1:1: is empty"));
      var spec = PipelineSpec.newBuilder();
      message(spec, root);
      if (wrong.isEmpty()) return spec.build();
    } catch (MarkedYamlEngineException error) {
      var place = error.getProblemMark().map(mark -> place(mark.getLine(), mark.getColumn())).orElse(name);
      throw invalid(place + ": " + error.getProblem());
    } catch (YamlEngineException error) {
      throw invalid(name + ": " + error.getMessage());
    } catch (StackOverflowError error) {
      throw invalid(name + " is nested too deeply for a pipeline file");
    }
    var first = wrong.get(0);
    var more = wrong.size() > SHOWN ? " (and %d more problems)".formatted(wrong.size() - 1) : "";
    var shown = List.copyOf(wrong.subList(0, Math.min(wrong.size(), SHOWN)));
    throw new SheafException(
        Status.Code.INVALID_ARGUMENT,
        "SPEC_FILE_INVALID",
        "%s: %s%s".formatted(first.field(), first.description(), more),
        shown,
        null,
        Map.of(),
        null);
  }

  private void message(Message.Builder builder, Node node) {
    var desc = builder.getDescriptorForType();
    if (!(node instanceof MappingNode mapping)) {
      refuse(node, "expected the fields of %s, found %s".formatted(desc.getName(), described(node)));
      return;
    }
    for (var pair : pairs(mapping)) {
      var key = ((ScalarNode) pair.getKeyNode()).getValue();
      var field = desc.findFieldByName(key);
      if (field == null) {
        var text = "unknown field %s; %s has %s".formatted(LocalFiles.shown(key), desc.getName(), fieldNames(desc));
        refuse(pair.getKeyNode(), text);
      } else if (pair.getValueNode().getTag().equals(Tag.NULL)) {
        refuse(pair.getKeyNode(), "%s has no value: give one, or leave the field out".formatted(key));
      } else {
        field(builder, field, pair.getValueNode());
      }
    }
  }

  private void field(Message.Builder builder, FieldDescriptor field, Node node) {
    if (field.isMapField()) {
      if (!(node instanceof MappingNode mapping)) {
        refuse(node, "%s: expected names with values, found %s".formatted(field.getName(), described(node)));
        return;
      }
      for (var pair : pairs(mapping)) {
        var entry = builder.newBuilderForField(field);
        var value = one(entry, field.getMessageType().findFieldByName("value"), pair.getValueNode(), field.getName());
        if (value == null) continue;
        entry.setField(field.getMessageType().findFieldByName("key"), ((ScalarNode) pair.getKeyNode()).getValue());
        builder.addRepeatedField(field, entry.setField(entry.getDescriptorForType().findFieldByName("value"), value).build());
      }
    } else if (!field.isRepeated()) {
      var value = one(builder, field, node, field.getName());
      if (value != null) builder.setField(field, value);
    } else if (node instanceof SequenceNode list) {
      for (var item : list.getValue()) {
        var value = one(builder, field, item, field.getName());
        if (value != null) builder.addRepeatedField(field, value);
      }
    } else {
      refuse(node, "%s: expected a list, found %s".formatted(field.getName(), described(node)));
    }
  }

  /** Null: it was refused. */
  private Object one(Message.Builder parent, FieldDescriptor field, Node node, String label) {
    // Aliases that unfold to more are a bomb.
    if (++nodes > NODES_MAX) throw invalid("%s has more than %d values: that is no pipeline".formatted(name, NODES_MAX));
    if (field.getJavaType() == FieldDescriptor.JavaType.MESSAGE) {
      if (field.getMessageType().equals(Duration.getDescriptor())) return duration(node);
      var builder = parent.newBuilderForField(field);
      message(builder, node);
      return builder.build();
    }
    if (field.getJavaType() == FieldDescriptor.JavaType.ENUM) return enumValue(field, node, label);
    var kind = kind(node);
    var text = node instanceof ScalarNode scalar ? scalar.getValue() : "";
    try {
      switch (field.getType()) {
        case STRING -> {
          if (kind.equals("str")) return text;
        }
        case BOOL -> {
          if (kind.equals("bool")) return text.equalsIgnoreCase("true");
        }
        case DOUBLE -> {
          if (kind.equals("int") || kind.equals("float")) return Double.valueOf(text);
        }
        case UINT64 -> {
          if (kind.equals("int")) return Long.parseUnsignedLong(text);
        }
        case UINT32 -> {
          if (kind.equals("int")) return Integer.parseUnsignedInt(text);
        }
        default -> throw new AssertionError("no pipeline has a field like " + field.getFullName());
      }
    } catch (NumberFormatException error) {
      return refuse(node, "%s: %s is out of range".formatted(label, text));
    }
    return refuse(node, "%s: expected %s, found %s".formatted(label, expected(field), described(node)));
  }

  private Object enumValue(FieldDescriptor field, Node node, String label) {
    var values = field.getEnumType().getValues();
    var prefix = values.get(0).getName().replaceFirst("UNSPECIFIED$", "");
    var words =
        values.stream().skip(1).map(value -> value.getName().substring(prefix.length()).toLowerCase(Locale.ROOT)).toList();
    var at = kind(node).equals("str") ? words.indexOf(((ScalarNode) node).getValue()) : -1;
    if (at >= 0) return values.get(at + 1);
    var use = String.join(", ", words);
    return refuse(node, "%s: %s is not known: use one of %s".formatted(label, described(node), use));
  }

  private Object duration(Node node) {
    var text = node instanceof ScalarNode scalar && kind(node).equals("str") ? scalar.getValue() : "";
    if (!DURATION.matcher(text).matches()) {
      var use = "%s is not a duration: use a number with a unit, like \"10s\" or \"1m30s\"";
      return refuse(node, use.formatted(described(node)));
    }
    double seconds = 0;
    for (var part = PART.matcher(text); part.find(); ) {
      seconds += Double.parseDouble(part.group(1)) * UNITS.get(part.group(2));
    }
    var millis = Math.round(seconds * 1_000);
    return Duration.newBuilder().setSeconds(millis / 1_000).setNanos((int) (millis % 1_000) * 1_000_000).build();
  }

  private List<NodeTuple> pairs(MappingNode node) {
    var seen = new HashSet<String>();
    var pairs = new ArrayList<NodeTuple>();
    for (var pair : node.getValue()) {
      var key = pair.getKeyNode();
      if (!kind(key).equals("str")) refuse(key, "expected the name of a field, found " + described(key));
      else if (!seen.add(((ScalarNode) key).getValue())) {
        refuse(key, LocalFiles.shown(((ScalarNode) key).getValue()) + " stands there twice");
      } else pairs.add(pair);
    }
    return pairs;
  }

  private Object refuse(Node node, String description) {
    var place = node.getStartMark().map(mark -> place(mark.getLine(), mark.getColumn())).orElse(name);
    wrong.add(new FieldViolation(place, description));
    return null;
  }

  private String place(int line, int column) {
    return "%s:%d:%d".formatted(name, line + 1, column + 1);
  }

  /** What YAML 1.2 takes a scalar for; "" for what is none. */
  private static String kind(Node node) {
    if (!(node instanceof ScalarNode scalar)) return "";
    if (node.getTag().equals(Tag.STR)) return "str";
    if (node.getTag().equals(Tag.BOOL)) return "bool";
    if (node.getTag().equals(Tag.NULL)) return "null";
    if (INTEGER.matcher(scalar.getValue()).matches()) return "int";
    return FLOAT.matcher(scalar.getValue()).matches() ? "float" : "str";
  }

  private static String fieldNames(Descriptor desc) {
    return desc.getFields().stream().map(FieldDescriptor::getName).collect(Collectors.joining(", "));
  }

  private static String expected(FieldDescriptor field) {
    return switch (field.getType()) {
      case BOOL -> "true or false";
      case STRING -> "text";
      case DOUBLE -> "a number";
      default -> "a whole number";
    };
  }

  private static String described(Node node) {
    if (node instanceof MappingNode) return "fields";
    if (!(node instanceof ScalarNode scalar)) return "a list";
    var text = scalar.getValue();
    return switch (kind(node)) {
      case "null" -> "nothing";
      case "bool" -> text;
      case "str" -> "the text " + LocalFiles.shown(text.length() > 60 ? text.substring(0, 60) + "..." : text);
      default -> "the number " + text;
    };
  }
}
