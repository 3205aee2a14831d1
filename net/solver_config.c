/* The field table of solver files, the conditions between their fields, the learning rate policies. */
#include "net/solver_config.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The config with what only the checks need to know. */
typedef struct solver_file {
    sa_solver_config config;
    char train_net[SA_SOLVER_PATH_BYTES];
    bool base_lr_given, gamma_given, power_given, stepsize_given;
    int32_t lr_policy;
} solver_file;

enum { NO_POLICY = -1 };

static const sa_enum_name policy_names[] = {
    SA_ENUM("fixed", SA_LR_FIXED),
    SA_ENUM("step", SA_LR_STEP),
    SA_ENUM("exp", SA_LR_EXP),
    SA_ENUM("inv", SA_LR_INV),
    SA_ENUM("multistep", SA_LR_MULTISTEP),
    SA_ENUM("poly", SA_LR_POLY),
    SA_ENUM("sigmoid", SA_LR_SIGMOID),
    SA_ENUM_END,
};
static const sa_enum_name mode_names[] = {SA_ENUM("CPU", SA_SOLVER_CPU), SA_ENUM("GPU", SA_SOLVER_GPU), SA_ENUM_END};
static const char sgd_only[] = "only SGD with momentum is implemented";
static const sa_enum_name old_type_names[] = {
    SA_ENUM("SGD", 0),
    SA_ENUM_REFUSED("NESTEROV", 1, sgd_only),
    SA_ENUM_REFUSED("ADAGRAD", 2, sgd_only),
    SA_ENUM_REFUSED("RMSPROP", 3, sgd_only),
    SA_ENUM_REFUSED("ADADELTA", 4, sgd_only),
    SA_ENUM_REFUSED("ADAM", 5, sgd_only),
    SA_ENUM_END,
};
static const sa_enum_name type_names[] = {
    SA_ENUM("SGD", 0),
    SA_ENUM_REFUSED("Nesterov", 1, sgd_only),
    SA_ENUM_REFUSED("AdaGrad", 2, sgd_only),
    SA_ENUM_REFUSED("RMSProp", 3, sgd_only),
    SA_ENUM_REFUSED("AdaDelta", 4, sgd_only),
    SA_ENUM_REFUSED("Adam", 5, sgd_only),
    SA_ENUM_END,
};
static const sa_enum_name regularization_names[] = {SA_ENUM("L2", 0),
                                                    SA_ENUM_REFUSED("L1", 1, "only L2 weight decay is implemented"), SA_ENUM_END};
static const sa_enum_name format_names[] = {SA_ENUM("HDF5", 0), SA_ENUM("BINARYPROTO", 1), SA_ENUM_END};
static const char separate_file[] = "name the net's own file with 'net'";

static const sa_field solver_fields[] = {
    SA_F_STRING(solver_file, config.net, "net"),
    SA_F_STRING(solver_file, train_net, "train_net"),
    SA_F_RANGE_GIVEN(solver_file, config.base_lr, base_lr_given, "base_lr", FLOAT, 0, FLT_MAX),
    SA_F_CHOICE(solver_file, lr_policy, "lr_policy", policy_names),
    SA_F_GIVEN(solver_file, config.gamma, gamma_given, "gamma", FLOAT),
    SA_F_GIVEN(solver_file, config.power, power_given, "power", FLOAT),
    SA_F_RANGE_GIVEN(solver_file, config.stepsize, stepsize_given, "stepsize", INT32, 0, INT32_MAX),
    SA_F_REPEATED_RANGE(solver_file, config.stepvalue, config.stepvalue_count, "stepvalue", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.momentum, "momentum", FLOAT, 0, 1),
    SA_F_RANGE(solver_file, config.weight_decay, "weight_decay", FLOAT, 0, FLT_MAX),
    SA_F_CHOICE_CHECKED("regularization_type", regularization_names),
    SA_F_RANGE(solver_file, config.max_iter, "max_iter", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.display, "display", INT32, 0, INT32_MAX),
    SA_F_RANGE(solver_file, config.average_loss, "average_loss", INT32, 1, INT32_MAX),
    SA_F_RANGE(solver_file, config.snapshot, "snapshot", INT32, 0, INT32_MAX),
    SA_F_STRING(solver_file, config.snapshot_prefix, "snapshot_prefix"),
    SA_F_SINGLE(solver_file, config.snapshot_after_train, "snapshot_after_train", BOOL),
    SA_F_SINGLE(solver_file, config.random_seed, "random_seed", INT64),
    SA_F_ENUM(solver_file, config.solver_mode, "solver_mode", mode_names),
    SA_F_ENUM_CHECKED("solver_type", old_type_names),
    SA_F_CHOICE_CHECKED("type", type_names),
    SA_F_ENUM_CHECKED("snapshot_format", format_names),
    SA_F_ONLY("iter_size", INT32, 1,
              "SegNet's BN would learn from the last part of a batch only; set the net's batch size instead"),
    {.name = "clip_gradients",
     .type = SA_FIELD_FLOAT,
     .bounded = true,
     .low = -FLT_MAX,
     .high = -FLT_MIN,
     .note = "gradient clipping is not implemented; a negative value turns it off",
     .discarded = true},
    SA_F_REFUSED("net_param", separate_file),
    SA_F_REFUSED("train_net_param", separate_file),
    SA_F_MESSAGE(solver_file, config.train_state, "train_state", sa_state_fields),
    SA_F_REFUSED("weights", "caffemodel files are not read; --resume continues from a snapshot of segarena"),
    SA_F_IGNORED("test_net"),
    SA_F_IGNORED("test_net_param"),
    SA_F_IGNORED("test_state"),
    SA_F_IGNORED("test_iter"),
    SA_F_IGNORED("test_interval"),
    SA_F_IGNORED("test_initialization"),
    SA_F_IGNORED("test_compute_loss"),
    SA_F_IGNORED("snapshot_diff"),
    SA_F_IGNORED("device_id"),
    SA_F_IGNORED("debug_info"),
    SA_F_IGNORED("layer_wise_reduce"),
    SA_F_IGNORED("delta"), /* this and the next two belong to other solver types */
    SA_F_IGNORED("rms_decay"),
    SA_F_IGNORED("momentum2"),
    SA_F_END,
};

static int line_of(const sa_proto_document *document, const char *name)
{
    const sa_proto_field *field = sa_proto_find(&document->root, name);
    return field ? field->line : 1;
}

#define SOLVER_FAIL(document, name, ...) \
    return sa_proto_error((document), line_of((document), (name)), SA_PARSE, "solver", __VA_ARGS__)

/* What each policy needs besides base_lr. */
static sa_status check_policy(const sa_proto_document *document, const solver_file *file)
{
    const sa_solver_config *config = &file->config;
    bool uses_gamma = file->lr_policy != SA_LR_FIXED && file->lr_policy != SA_LR_POLY;
    bool uses_power = file->lr_policy == SA_LR_INV || file->lr_policy == SA_LR_POLY;
    const char *policy = policy_names[file->lr_policy].name;
    if (uses_gamma && !file->gamma_given) SOLVER_FAIL(document, "lr_policy", "lr_policy \"%s\" needs 'gamma'", policy);
    if (uses_power && !file->power_given) SOLVER_FAIL(document, "lr_policy", "lr_policy \"%s\" needs 'power'", policy);
    if (uses_gamma && config->gamma < 0 && file->lr_policy != SA_LR_SIGMOID)
        SOLVER_FAIL(document, "gamma", "'gamma' is %g; lr_policy \"%s\" needs it to be at least 0", (double)config->gamma, policy);
    if (file->lr_policy == SA_LR_STEP && config->stepsize < 1)
        SOLVER_FAIL(document, file->stepsize_given ? "stepsize" : "lr_policy",
                    "lr_policy \"step\" needs a 'stepsize' of at least 1");
    if (file->lr_policy == SA_LR_SIGMOID && !file->stepsize_given)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"sigmoid\" needs 'stepsize', the step where the rate is half of base_lr");
    if (file->lr_policy == SA_LR_MULTISTEP && !config->stepvalue_count)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"multistep\" needs at least one 'stepvalue'");
    for (int i = 1; i < config->stepvalue_count; i++)
        if (config->stepvalue[i] <= config->stepvalue[i - 1])
            SOLVER_FAIL(document, "stepvalue", "stepvalue %d follows %d; they must ascend", (int)config->stepvalue[i],
                        (int)config->stepvalue[i - 1]);
    if (file->lr_policy == SA_LR_POLY && config->max_iter < 1)
        SOLVER_FAIL(document, "lr_policy", "lr_policy \"poly\" needs a 'max_iter' of at least 1");
    if (file->lr_policy == SA_LR_POLY && config->power < 0)
        SOLVER_FAIL(document, "power", "'power' is %g; lr_policy \"poly\" needs it to be at least 0", (double)config->power);
    return SA_OK;
}

static sa_status check_file(const sa_proto_document *document, solver_file *file)
{
    if (sa_proto_find(&document->root, "type") && sa_proto_find(&document->root, "solver_type"))
        SOLVER_FAIL(document, "solver_type", "'solver_type' is the old form of 'type': give one of them");
    if (file->config.net[0] && file->train_net[0]) SOLVER_FAIL(document, "train_net", "give either 'net' or 'train_net', not both");
    if (file->train_net[0]) memcpy(file->config.net, file->train_net, sizeof file->config.net);
    if (!file->config.net[0]) SOLVER_FAIL(document, "net", "'net', the file of the net to train, is missing");
    if (!file->base_lr_given) SOLVER_FAIL(document, "base_lr", "'base_lr', the learning rate, is missing");
    if (file->lr_policy == NO_POLICY) SOLVER_FAIL(document, "lr_policy", "'lr_policy' is missing; \"fixed\" keeps base_lr");
    SA_TRY(check_policy(document, file));
    file->config.lr_policy = file->lr_policy;
    return SA_OK;
}

sa_status sa_solver_config_read(const sa_proto_document *document, sa_solver_config *config)
{
    solver_file file = {
        .lr_policy = NO_POLICY,
        .config = {.average_loss = 1, .snapshot_after_train = true, .random_seed = -1, .solver_mode = SA_SOLVER_GPU}};
    SA_TRY(sa_fields_decode(document, &document->root, solver_fields, "solver", NULL, &file));
    SA_TRY(check_file(document, &file));
    *config = file.config;
    return SA_OK;
}

/* Replaces a net path that does not stand by itself by one beside the solver file. */
static sa_status find_net(const sa_proto_document *document, sa_solver_config *config)
{
    char beside[SA_SOLVER_PATH_BYTES];
    const char *slash = strrchr(document->path, '/');
    int folder_length = slash ? (int)(slash - document->path) + 1 : 0;
    const char *field = sa_proto_find(&document->root, "net") ? "net" : "train_net";
    if (access(config->net, R_OK) == 0) return SA_OK;
    if (config->net[0] == '/' || folder_length == 0)
        return sa_proto_error(document, line_of(document, field), SA_IO, "solver", "net file '%.256s' cannot be read", config->net);
    int length = snprintf(beside, sizeof beside, "%.*s%s", folder_length, document->path, config->net);
    if (length < 0 || length >= (int)sizeof beside || access(beside, R_OK) != 0)
        return sa_proto_error(document, line_of(document, field), SA_IO, "solver",
                              "net file '%.256s' cannot be read, neither from the working directory nor beside the solver file",
                              config->net);
    memcpy(config->net, beside, (size_t)length + 1);
    return SA_OK;
}

sa_status sa_solver_config_load(const char *path, sa_solver_config *config)
{
    sa_proto_document *document = NULL;
    sa_solver_config loaded;
    SA_TRY(sa_proto_parse_file(path, &document));
    sa_status status = sa_solver_config_read(document, &loaded);
    if (status == SA_OK) status = find_net(document, &loaded);
    sa_proto_free(document);
    if (status == SA_OK) *config = loaded;
    return status;
}

static int steps_passed(const sa_solver_config *config, uint32_t step)
{
    int passed = 0;
    while (passed < config->stepvalue_count && step >= (uint32_t)config->stepvalue[passed]) passed++;
    return passed;
}

/* Caffe takes whole powers in double and the others in float; the differences show where 1 - t / max_iter is small. */
float sa_solver_rate(const sa_solver_config *config, uint32_t step)
{
    float base = config->base_lr, gamma = config->gamma, t = (float)step;
    switch ((sa_lr_policy)config->lr_policy) {
    case SA_LR_FIXED: return base;
    case SA_LR_STEP: return (float)(base * pow(gamma, step / (uint32_t)config->stepsize));
    case SA_LR_EXP: return (float)(base * pow(gamma, step));
    case SA_LR_INV: return base * powf(1.0f + gamma * t, -config->power);
    case SA_LR_MULTISTEP: return (float)(base * pow(gamma, steps_passed(config, step)));
    case SA_LR_POLY: return base * powf(fmaxf(1.0f - t / (float)config->max_iter, 0.0f), config->power);
    case SA_LR_SIGMOID: return base * (1.0f / (1.0f + expf(-gamma * (t - (float)config->stepsize))));
    }
    return base;
}
